"""Episodes with a known success: a bright object comes into the image, and the hand goes up."""

from dataclasses import replace

import numpy as np

from hilserl_core.bags.episode_bag import EpisodeBag
from hilserl_core.contract.steps import Outcome, Source, StepRecord

START, PERIOD = 1_800_000_000 * 10**9, 10**8  # ns
LENGTH, MOMENT = 24, 18  # steps, and the first one that shows success
SEEN_AT = 20  # where an operator marks it, two steps late


def episode(schema, number, succeeds, length=LENGTH, moment=MOMENT):
    """The steps of one episode. A failure shows the object too, in a dark colour."""
    rng = np.random.default_rng(number)
    steps = []
    for index in range(length):
        image = rng.integers(90, 110, (32, 32, 3), np.uint8)
        row, column = rng.integers(6, 18, 2)
        if index >= moment - 6:
            image[row : row + 8, column : column + 8] = (
                (220, 60, 60) if succeeds and index >= moment else (70, 70, 90)
            )
        state = rng.normal(0.0, 0.01, len(schema.state_names)).astype(np.float32)
        state[schema.state_names.index('tool.z')] += 0.05 + 0.002 * index
        last = index == length - 1
        steps.append(
            StepRecord(
                stamp=START + (number * 1000 + index) * PERIOD,
                schema_hash=schema.hash,
                episode_id=f'e{number:03}',
                index=index,
                cameras=('wrist_camera',),
                image_stamps=(START,),
                images=(image,),
                state=state,
                action=np.zeros(0 if last else 4, np.float32),
                source=Source.NONE if last else Source.HUMAN,
                reward=None if last else 0.0,
                last=last,
                outcome=(Outcome.SUCCESS if succeeds else Outcome.FAILURE) if last else 0,
            )
        )
    return steps


def cut(steps, at):
    """The episode as it is when it ends after that many steps."""
    final = steps[at - 1]
    return [
        *steps[: at - 1],
        replace(
            final,
            action=np.zeros(0, np.float32),
            source=Source.NONE,
            reward=None,
            last=True,
            outcome=steps[-1].outcome,
        ),
    ]


def write(directory, schema, episodes):
    """Write each episode as a bag; return the directory."""
    for steps in episodes:
        bag = EpisodeBag(directory / steps[0].episode_id, schema, steps[0].stamp)
        for step in steps:
            bag.write(step)
        bag.close()
    return directory


def twelve(schema):
    """Six successes, marked two steps late, and six failures."""
    return [
        cut(episode(schema, number, number % 2 == 0), SEEN_AT + 1 if number % 2 == 0 else LENGTH)
        for number in range(12)
    ]
