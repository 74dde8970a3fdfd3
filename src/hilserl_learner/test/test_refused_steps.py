"""What the replay refuses is not written to a bag: one check decides about both."""

from dataclasses import replace

from core_support import record
from learner_support.running_learner import Cell
import numpy as np

from hilserl_core.bags.episode_bag import Bag, find_bags
from hilserl_core.contract.steps import problem


def test_the_recorder_writes_exactly_the_steps_that_the_replay_took(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    good = [record(schema, i, 'good', last=i == 9) for i in range(10)]
    bad = [
        replace(good[3], episode_id='bad', **change)
        for change in (
            {'outcome': 77},
            {'stamp': -5},
            {'images': (), 'cameras': (), 'image_stamps': ()},
            {'state': np.full(19, np.nan, np.float32)},
            {'action': np.full(4, 3.0, np.float32)},
            {'schema_hash': 'x' * 1000},
            {'sigma': float('inf')},
            {'source': 9},
        )
    ]
    assert all(problem(step, schema) for step in bad)
    for step in good:
        cell.feed(step, *bad, step)  # the last one is there twice
    cell.wait(lambda: cell.learner.trainer.replay.rejected == 10 * (len(bad) + 1))
    cell.close()
    assert not cell.errors
    (bag,) = find_bags(tmp_path / 'run' / 'bags')
    assert [step.index for step in Bag(bag).steps()] == list(range(10))
    assert cell.learner.trainer.env_steps == 9
    assert all(len(line) < 600 for line in cell.logged)
