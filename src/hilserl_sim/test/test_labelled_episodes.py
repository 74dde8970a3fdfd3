"""Labelled episodes for a success detector, and another judge than the world."""

import pytest

from hilserl_actor.loop.interfaces import RewardSignal
from hilserl_core.bags.episode_list import episodes_by_time
from hilserl_core.bags.labels import read_labels
from hilserl_core.contract.steps import Outcome
from hilserl_core.contract.tasks import make_task
from hilserl_sim.cell import SimulatedCell
from hilserl_sim.labelled_episodes import record_labelled
from so101_description.model import model_hash

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def lift():
    return make_task('grasp_lift', model_hash(), frame_size=32)


def episodes(directory):
    return [steps for _, steps in episodes_by_time(directory, print)]


def test_successes_are_marked_late_and_near_misses_as_failures(lift, tmp_path):
    assert 0.1 < record_labelled(lift, tmp_path, (2, 2), 1, 'plain', exact=True) < 2.0
    found = sorted(tmp_path.glob('*/metadata.yaml'))
    labels = [read_labels(file.parent) for file in found]
    assert sorted(map(len, labels)) == [0, 0, 1, 1]
    bags = [bag for bag, steps in episodes_by_time(tmp_path, print)]
    outcomes = [steps[-1].outcome for steps in episodes(tmp_path)]
    assert sorted(outcomes) == [Outcome.SUCCESS] * 2 + [Outcome.FAILURE] * 2
    for bag, outcome in zip(bags, outcomes):
        if outcome == Outcome.SUCCESS:
            (label,) = read_labels(bag)
            (kept,) = [s for b, s in episodes_by_time(tmp_path, print) if b == bag]
            assert kept[-1].stamp <= label.time + 10**8  # `apply` ends it there
    near_misses = [steps for steps in episodes(tmp_path) if steps[-1].outcome == Outcome.FAILURE]
    gripper = lift.state_names.index('gripper.position')
    assert all(min(float(s.state[gripper]) for s in steps) < 0.4 for steps in near_misses)


class After:
    """Says success at a step of each episode, whatever the world says."""

    def __init__(self, index):
        self._index, self._now = index, RewardSignal(0.0)

    def see(self, step):
        done = not step.last and step.index >= self._index
        self._now = RewardSignal(float(done), done)

    def signal(self):
        return self._now


def test_another_judge_ends_the_episodes(lift):
    steps = []
    cell = SimulatedCell(lift, 'record', 0, emit=steps.append, judge=After(3))
    try:
        cell.run_episodes(2)
    finally:
        cell.close()
    assert [step.outcome for step in steps if step.last] == [Outcome.SUCCESS] * 2
    assert [step.index for step in steps if step.last] == [5, 5]  # a step later, as in the graph
    assert [step.reward for step in steps if step.terminated] == [1.0, 1.0]
