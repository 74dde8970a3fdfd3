"""Gives a finished episode of a running run another outcome, on disk and in the replay.

The bag is not changed. The label is written to a file beside it, which is read with the bag.
"""

from pathlib import Path
import re

from hilserl_core.bags.episode_bag import RECOVERED, Bag, bag_name, find_bags
from hilserl_core.bags.labels import Label, add_label, apply, read_labels
from hilserl_core.contract.steps import Outcome
from so101_node.errors import CellError

from .trainer import Trainer


def relabel(
    directory: Path, trainer: Trainer, episode_id: str, outcome: Outcome, at: int | None
) -> str:
    """Label an episode of the run whose bags are in `directory`; returns a sentence.

    at: ns of the ROS clock, where the episode then ends; None: its end. CellError if the episode
    has no complete bag, or `at` is not within it.
    """
    bags = _bags_of(directory, episode_id)
    if not bags:
        raise CellError(
            f'there is no complete bag of episode {episode_id!r} in {directory}; '
            'label a running episode by hilserl/success, failure or discard'
        )
    parts = {bag: list(Bag(bag).steps()) for bag in bags}
    containing = [
        bag
        for bag, steps in parts.items()
        if at is None or steps[0].stamp <= at <= steps[-1].stamp
    ]
    if not containing and at is not None:
        first, last = parts[bags[0]][0].stamp, parts[bags[-1]][-1].stamp
        raise CellError(
            f'{at / 1e9:.2f} s is not within episode {episode_id}, which lasted from '
            f'{first / 1e9:.2f} to {last / 1e9:.2f} s'
        )
    labelled = parts[containing[-1]]
    # a former label of this episode counts no more
    add_label(containing[-1], Label(outcome, at), (labelled[0].stamp, labelled[-1].stamp))
    steps = [step for bag in bags for step in apply(read_labels(bag), parts[bag])]
    word = outcome.name.lower()
    if outcome == Outcome.DISCARDED:
        trainer.discard_episode(episode_id)
        return f'episode {episode_id} is {word}: removed from the replay'
    why = trainer.replace_episode(steps)
    if why:
        return f'episode {episode_id} is a {word} on disk, but is not in the replay: {why}'
    return f'episode {episode_id} is a {word}: {len(steps) - 1} steps in the replay'


def _bags_of(directory: Path, episode_id: str) -> list[Path]:
    """The complete bags of one episode, by time: more than one if its writing was interrupted."""
    name = re.compile(re.escape(bag_name(episode_id)) + rf'(-\d+)?({RECOVERED})?')
    # select by name first, because a run has hundreds of bags and training waits
    named = [Bag(bag) for bag in find_bags(directory) if name.fullmatch(bag.name)]
    return [
        bag.directory
        for bag in sorted(named, key=lambda bag: bag.start)
        if next((step.episode_id for step in bag.steps()), None) == episode_id
    ]
