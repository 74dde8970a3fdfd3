"""Numbers that count steps keep their meaning in seconds at every rate of a task."""

from dataclasses import replace

from core_support import START
from learner_support.running_learner import OPTIONS, episode
from learner_support.small_agent import SMALL, random_batch
import numpy as np
import pytest

from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.exploration import sigma_schedule
from hilserl_learner.agent.config import AgentConfig
from hilserl_learner.training.health import Health
from hilserl_learner.training.resume import start_run


@pytest.fixture
def fast():
    """A task at 30 Hz."""
    return make_task('grasp_lift', 'test-model', rate=30.0)


def test_numbers_of_one_second_are_the_same_at_10_and_30_hz():
    config = replace(SMALL, discount=0.97, n_step=3, ema_tau='linear(1,0.005,4000)')
    assert (config.discount_at(10.0), config.n_step_at(10.0)) == (0.97, 3)
    assert (config.discount_at(30.0), config.n_step_at(30.0)) == (pytest.approx(0.98989826), 9)
    assert config.discount_at(30.0) ** 30 == pytest.approx(config.discount_at(10.0) ** 10)
    # 200 s after the start, half of the way from 1 to 0.005
    many = 10**6  # updates
    assert config.ema_tau_at(10.0, 2000, many) == pytest.approx(0.5025)
    assert config.ema_tau_at(30.0, 6000, many) == pytest.approx(1.0 - (1.0 - 0.5025) ** (1 / 3))
    assert config.ema_tau_at(30.0, 0, many) == 1.0
    assert config.n_step_at(2.0) == 1  # at least one step
    # a slow average forgets the same share in a second
    kept = [(1.0 - config.ema_tau_at(rate, 10**6, many)) ** rate for rate in (10.0, 30.0)]
    assert kept == pytest.approx([0.995**10] * 2)


def test_after_few_updates_little_of_the_first_random_networks_is_in_the_ema_policy():
    share = 1.0  # of the networks of the first 30 updates, after 100
    for updates in range(30, 100):
        share *= 1.0 - AgentConfig().ema_tau_at(10.0, 0, updates)
    assert share < 1e-3
    assert AgentConfig().ema_tau_at(10.0, 0, 100_000) == pytest.approx(0.01)


def test_a_schedule_lasts_the_same_seconds():
    sigma = sigma_schedule('demos')  # linear(0.1,0.05,10000): 1,000 s
    assert [sigma.at(rate)(500 * rate) for rate in (10, 30)] == pytest.approx([0.075] * 2)
    assert sigma.at(30.0)(30_000) == 0.05 < sigma.at(30.0)(29_000)


def test_a_run_at_30_hz_has_these_numbers(fast, tmp_path):
    options = replace(OPTIONS, agent_options='hidden=32 channels=8 bc=linear(2,0.2,4000)')
    trainer = start_run(fast, tmp_path / 'run', options, lambda sentence: None).trainer
    period = 10**9 // 30
    for i, step in enumerate(episode(fast, 'a', 20)):
        trainer.add(replace(step, stamp=START + i * period))
    first = np.zeros(1, np.int64)
    batch = trainer.replay.gather(first)  # nine steps, until the reward at the end is in sight
    assert float(batch.discount[0]) == pytest.approx(0.97**3, abs=1e-6)
    np.testing.assert_array_equal(batch.next_state[0], trainer.replay.gather(first + 9).state[0])
    reward = trainer.replay.gather(first + 11).reward  # the ninth step is the last one
    assert float(reward[0]) == pytest.approx(0.97 ** (8 / 3), abs=1e-6)
    trainer.env_steps = 6000  # 200 s
    trainer.update()
    trainer.collect_metrics()
    assert trainer.metrics['bc_weight'] == pytest.approx(1.1)
    assert trainer.metrics['sigma'] == pytest.approx(0.82)  # scratch: linear(1,0.1,10000)
    assert trainer.metrics['q_bound'] == 1.0
    trainer.close()


def test_the_bound_of_q_is_that_of_the_rate(fast):
    config = AgentConfig(target_low=-1e9, target_high=1e9, discount=0.97)
    found = Health(fast, config)._bound(random_batch(fast))
    assert found == pytest.approx(1.0 / (1.0 - 0.97 ** (1 / 3)))
