"""The guard: checks that the suite still learns, in the in-process simulation's shortest task.

A wrong gradient or actions that are not executed prevent success. The task can be learned even
with a shifted next observation, so the transitions are compared with the recorded steps, too.
"""

import itertools
import json

import numpy as np
import pytest

from hilserl_core.bags.episode_bag import open_bags
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training.fill_replay import load_run
from hilserl_tests.guard import ENOUGH, EPISODES, SCHEMA

# The guard runs at idle priority, so it lasts as long as the whole cells beside it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

N_STEP, DISCOUNT = 3, 0.97
FLOOR = 0.02  # m; below it the workspace box stops the tool


@pytest.fixture(scope='module')
def directory(guard):
    process, directory = guard
    assert process.wait(2000) == 0, (directory / 'log').read_text()
    return directory


def test_it_learns_to_reach_the_cube_from_the_image(directory):
    curve = json.loads((directory / 'curve.json').read_text())
    print(curve)
    last = curve[-1]
    assert last['episodes'] == EPISODES and last['successes'] >= ENOUGH * EPISODES, curve


def test_transitions_match_the_recorded_steps(directory):
    """Compares each transition of the replay with the steps of its bag."""
    bags = directory / 'run' / 'bags'
    follows = {}  # state -> its step and the next one
    for bag in open_bags(bags):
        steps = list(bag.steps())
        for step, after in itertools.pairwise(steps):
            follows[step.state.tobytes()] = step, after
    replay = Replay(SCHEMA, 20_000, n_step=N_STEP, discount=DISCOUNT)
    load_run(bags, replay, lambda sentence: None)
    batch = replay.sample(2000, False, np.random.default_rng(0))
    ends = 0
    for i, state in enumerate(batch.state.numpy()):
        first, after = follows[state.tobytes()]
        step, reward, discount = first, first.reward, DISCOUNT
        for _ in range(N_STEP - 1):
            if after.last:  # an episode that was broken off has neither end
                break
            step, after = follows[after.state.tobytes()]
            reward += discount * step.reward
            discount *= DISCOUNT
        ends += step.terminated
        assert np.array_equal(batch.action[i], first.action)
        assert np.array_equal(batch.images[0][i], first.images[0])
        assert np.array_equal(batch.next_state[i], after.state)
        assert np.array_equal(batch.next_images[0][i], after.images[0])
        assert batch.reward[i] == pytest.approx(reward, abs=1e-5)
        assert batch.discount[i] == pytest.approx(0.0 if step.terminated else discount, abs=1e-5)
    assert 0 < ends < 2000


def test_the_arm_moves_in_the_direction_of_its_actions(directory):
    tool = [SCHEMA.state_names.index(f'tool.{axis}') for axis in 'xyz']
    before = [SCHEMA.state_names.index(f'previous.{name}') for name in SCHEMA.action_names]
    actions, ways = [], []
    for bag in open_bags(directory / 'run' / 'bags'):
        steps = list(bag.steps())
        for step, after in itertools.pairwise(steps):
            assert np.array_equal(after.state[before], step.action)
        for step, later in zip(steps, steps[2:]):  # over two periods, because the arm lags
            if step.state[tool[2]] > FLOOR:
                actions.append(step.action[:3])
                ways.append(later.state[tool] - step.state[tool])
    for axis in range(3):
        assert np.corrcoef(np.array(actions)[:, axis], np.array(ways)[:, axis])[0, 1] > 0.6
