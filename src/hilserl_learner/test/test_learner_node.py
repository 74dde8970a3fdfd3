"""The learner process with messages over DDS: a run, its mistakes, its resume."""

import signal

from diagnostic_msgs.msg import DiagnosticStatus
from learner_support.learner_process import end, start
from learner_support.running_learner import episode
import pytest
from std_srvs.srv import SetBool, Trigger

from hilserl_core.bags.cdr import step_to_cdr, task_to_cdr
from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.inference import Policy
from so101_description.model import model_hash
from so101_interfaces.srv import LabelEpisode
from so101_node import names
from so101_node.errors import REFUSED

pytestmark = pytest.mark.graph


def test_steps_become_bags_weights_status_and_a_run_that_resumes(environment, actor, tmp_path):
    schema = make_task('grasp_lift', model_hash())
    run = tmp_path / 'run'
    learner = start(environment, run)
    try:
        actor.task.publish(task_to_cdr(schema))
        actor.wait(lambda: actor.weights and actor.steps.get_subscription_count())
        first = actor.weights[0]
        assert first.version == 1
        assert Policy.from_bytes(first.data, schema.hash).version == 1
        for i in range(4):
            for step in episode(schema, f'e{i}'):
                actor.steps.publish(step_to_cdr(step))
        actor.wait(lambda: actor.weights[-1].version > 1)
        actor.wait(lambda: Policy.from_bytes(actor.weights[-1].data, schema.hash).updates > 10)
        actor.wait(lambda: actor.statuses and actor.statuses[-1].replay_steps == 32)
        actor.wait(lambda: actor.on_disk() == {f'e{i}': 8 for i in range(4)})
        status = actor.statuses[-1]
        assert status.state == 'TRAINING'
        assert status.prior_steps == 16 and status.rejected_steps == 0
        saved = actor.call(Trigger, names.LEARNER_SAVE, Trigger.Request())
        assert saved.success and (run / saved.message).is_dir()
        rolled_back = actor.call(Trigger, names.LEARNER_ROLL_BACK, Trigger.Request())
        assert rolled_back.success and rolled_back.message == saved.message
        actor.wait(lambda: actor.diagnostic('learner: learning', 'critic_loss'))
        status = actor.diagnostic('learner: learning', 'critic_loss')
        assert status.level == DiagnosticStatus.OK
        assert {
            'critic_loss',
            'q_mean',
            'q_bound',
            'sigma',
            'update_ratio',
            'human_share',
            'critic_gradient_norm',
            'action_saturation',
            'rejected_steps',
        } <= {pair.key for pair in status.values}
        answer = actor.call(
            LabelEpisode,
            names.LEARNER_LABEL,
            LabelEpisode.Request(episode_id='e1', outcome='failure'),
        )
        assert answer.success and answer.message.startswith('episode e1 is a failure')
        answer = actor.call(
            LabelEpisode,
            names.LEARNER_LABEL,
            LabelEpisode.Request(episode_id='unknown', outcome='failure'),
        )
        assert not answer.success and 'there is no complete bag' in answer.message
        assert actor.call(SetBool, names.LEARNER_PAUSE, SetBool.Request(data=True)).success
        actor.wait(lambda: actor.statuses[-1].state == 'PAUSED')
        for step in episode(schema, 'open')[:5]:
            actor.steps.publish(step_to_cdr(step))
        actor.wait(lambda: actor.statuses[-1].replay_steps > 32)

        second = start(environment, run)
        output, code, _ = second.communicate(timeout=60)[0], second.wait(), 0
        assert code == REFUSED and f'in use by process {learner.pid}' in output
        assert 'Traceback' not in output
        output, code, seconds = end(learner)
    finally:
        learner.kill()
    assert code == 0, output
    assert seconds < 3.0 and 'Traceback' not in output
    counts = {bag.directory.name: len(list(bag.steps())) for bag in open_bags(run / 'bags')}
    assert counts == {'e0': 9, 'e1': 9, 'e2': 9, 'e3': 9, 'open': 5}

    last = actor.weights[-1].version
    actor.weights.clear()
    learner = start(environment, run)
    try:
        actor.wait(lambda: actor.weights)
        assert actor.weights[0].version > last
    finally:
        output, code, _ = end(learner, signal.SIGTERM)
    assert code == 0
    assert 'resumed run run: ' in output and '37 steps, 4 episodes' in output
    assert 'and 5 bags' in output


def test_a_users_mistake_is_one_sentence_and_an_exit_code_of_its_own(environment, tmp_path):
    mistakes = {
        'task:=juggle': 'juggle',
        'no_such:=1': 'unknown parameter no_such',
        'sigma:=loud': "sigma 'loud' is neither",
        'memory_gb:=999.0': 'GB are free',
        'demos:=/nowhere': 'demos: there is no complete bag in /nowhere',
        'start:=demos': 'needs demos:=DIRECTORY',
    }
    processes = [
        start(environment, tmp_path / str(i), argument) for i, argument in enumerate(mistakes)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    for process, output, words in zip(processes, outputs, mistakes.values()):
        assert process.returncode == REFUSED
        assert words in output and 'Traceback' not in output
    assert list(tmp_path.glob('*/run.yaml')) == []
