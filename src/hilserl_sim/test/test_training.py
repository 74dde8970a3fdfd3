"""Short runs in simulated time: their files, and that the same seed repeats them."""

import pytest

from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.policy.inference import Policy
from hilserl_learner.training.checkpoints import Checkpoints
from hilserl_learner.training.options import LearnerOptions
from hilserl_sim.learner import SimulatedLearner
from hilserl_sim.training import evaluate, record_demonstrations, train

pytestmark = pytest.mark.slow

OPTIONS = LearnerOptions(
    agent_options='hidden=32 channels=8', batch_size=16, min_steps=20, memory_gb=0.02
)


@pytest.fixture(scope='module')
def demos(schema, tmp_path_factory):
    directory = tmp_path_factory.mktemp('demos')
    record_demonstrations(schema, directory, 2, 0, 'plain')
    return directory


@pytest.fixture
def options(demos):
    return LearnerOptions(
        start='demos',
        demos=(str(demos),),
        agent_options=OPTIONS.agent_options,
        batch_size=16,
        min_steps=20,
        memory_gb=0.02,
        pretrain_updates=5,
    )


def test_demonstrations_are_bags_and_take_robot_time(schema, tmp_path):
    minutes = record_demonstrations(schema, tmp_path, 2, 0, 'plain')
    assert len(open_bags(tmp_path)) == 2 and 0.05 < minutes < 1.0


def test_a_run_leaves_bags_a_checkpoint_and_a_policy(schema, tmp_path, options):
    progress = train(schema, tmp_path / 'run', options, 'plain', 0.4, 0.2, 2)
    assert [e.episodes for e in progress.evaluations] == [2, 2] and not progress.interrupted
    assert progress.minutes == pytest.approx(0.4, abs=0.01) and progress.updates > 5
    checkpoint = Checkpoints(tmp_path / 'run' / 'checkpoints').newest()[0]
    assert checkpoint.state.updates == progress.updates
    assert checkpoint.state.paced_updates == progress.updates - 5
    assert open_bags(tmp_path / 'run' / 'bags')
    policy = Policy.from_bytes(progress.bundle, schema.hash)
    assert evaluate(schema, progress.bundle, 'plain', 1).updates == policy.updates


def test_the_same_seed_gives_the_same_run(schema, tmp_path, options):
    one, other = (
        train(schema, tmp_path / name, options, 'plain', 0.3, 0.3, 1) for name in ('a', 'b')
    )
    states = [
        Checkpoints(tmp_path / name / 'checkpoints').newest()[0].tensors for name in ('a', 'b')
    ]
    assert all((states[0][name] == states[1][name]).all() for name in states[0])
    assert (one.updates, one.evaluations) == (other.updates, other.evaluations)


def test_the_actor_gets_the_pretrained_policy_first_and_later_ones_by_simulated_time(
    schema, tmp_path, options
):
    offered = []
    learner = SimulatedLearner(schema, tmp_path / 'run', options, offered.append, print)
    assert offered == []
    learner.pretrain()
    assert [policy.updates for policy in offered] == [5]
    learner.trainer.update()
    learner.run_due_updates(options.publish_period - 0.1)
    assert len(offered) == 1
    learner.run_due_updates(options.publish_period)
    assert [policy.updates for policy in offered] == [5, 6]
    learner.close()


def test_a_run_is_resumed_from_its_checkpoint(schema, tmp_path, options):
    first = train(schema, tmp_path / 'run', options, 'plain', 0.2, 0.1, 1, at_end=False)
    assert [round(e.minutes, 1) for e in first.evaluations] == [0.1]
    logged = []
    train(schema, tmp_path / 'run', options, 'plain', 0.1, 1.0, 1, log=logged.append)
    assert any(f'resumed run run: {first.updates} updates' in line for line in logged)


def test_two_cells_feed_one_learner_with_scenes_of_their_own(schema, tmp_path, options):
    progress = train(schema, tmp_path / 'run', options, 'plain', 0.15, 1.0, 1, cells=2)
    state = Checkpoints(tmp_path / 'run' / 'checkpoints').newest()[0].state
    assert progress.minutes == pytest.approx(0.15, abs=0.01)
    assert state.paced_updates == progress.updates - 5
    first = [next(bag.steps()) for bag in open_bags(tmp_path / 'run' / 'bags')[:2]]
    assert first[0].stamp == first[1].stamp  # at the same time
    assert not (first[0].images[0] == first[1].images[0]).all()
