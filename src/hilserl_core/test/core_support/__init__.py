"""Steps as the actor records them, for tests of bags and of learning."""

from dataclasses import fields

import numpy as np

from hilserl_core.bags.episode_bag import EpisodeBag
from hilserl_core.contract.steps import Outcome, Source, StepRecord

START = 1_700_000_000 * 10**9


def record(schema, index, episode='e-1', last=False, **options):
    rng = np.random.default_rng(index)
    return StepRecord(
        **{
            **dict(
                stamp=START + index * 10**8 + 7,
                schema_hash=schema.hash,
                episode_id=episode,
                index=index,
                cameras=('wrist_camera',),
                image_stamps=(START + index * 10**8,),
                images=(rng.integers(0, 256, (64, 64, 3), np.uint8),),
                state=(rng.normal(size=19) * 0.01).astype(np.float32),
                action=np.zeros(0, np.float32)
                if last
                else rng.uniform(-1, 1, 4).astype(np.float32),
                source=Source.NONE if last else Source.HUMAN,
                reward=None if last else 0.1,
                last=last,
                outcome=Outcome.SUCCESS if last else Outcome.NONE,
                policy_version=3,
                sigma=0.3,
            ),
            **options,
        }
    )


def same(a, b):
    for name in (f.name for f in fields(a) if f.name != 'cdr'):
        ours, theirs = getattr(a, name), getattr(b, name)
        if name == 'images':
            ok = len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))
        elif isinstance(ours, np.ndarray):
            ok = ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
        else:
            ok = ours == theirs
        assert ok, (name, ours, theirs)
    return True


def write_bag(directory, schema, count=12, episode='e-1'):
    steps = [record(schema, i, episode, last=i == count - 1) for i in range(count)]
    bag = EpisodeBag(directory, schema, steps[0].stamp)
    for step in steps:
        bag.write(step)
    bag.close()
    return steps
