"""Whose tasks and steps the learner process takes, with messages over DDS."""

from dataclasses import replace
import time

from learner_support.learner_process import Actor, end, start
from learner_support.running_learner import episode
import pytest
from rclpy.time import Time

from hilserl_core.bags.cdr import step_to_cdr, task_to_cdr
from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.contract.tasks import make_task
from so101_description.model import model_hash
from so101_node.errors import REFUSED

pytestmark = pytest.mark.graph


def test_an_actor_with_another_task_ends_the_learner_naming_the_field(
    environment, actor, tmp_path
):
    learner = start(environment, tmp_path / 'run')
    try:
        other = make_task('grasp_lift', model_hash(), 640, 480)
        actor.task.publish(task_to_cdr(other))
        output = learner.communicate(timeout=60)[0]
    finally:
        learner.kill()
    assert learner.returncode == REFUSED
    assert 'wrist_camera source_width: 160 here, 640 there' in output
    assert 'Traceback' not in output


def test_steps_and_tasks_of_another_run_are_refused_by_name(environment, actor, tmp_path):
    schema, other = (make_task('grasp_lift', model_hash(), size) for size in (160, 640))
    learner = start(environment, tmp_path / 'run', 'run_id:=own')
    try:
        actor.wait(lambda: actor.statuses)
        actor.task.publish(task_to_cdr(other, 'theirs'))
        actor.task.publish(task_to_cdr(other))
        actor.task.publish(b'\x00\x01\x00\x00' + b'\xff' * 40)
        time.sleep(1.2)  # one refusal a second is said

        def publish(run_id):
            for step in episode(schema, f'of-{run_id}'):
                actor.steps.publish(step_to_cdr(replace(step, run_id=run_id)))

        for run_id in ('theirs', '', 'own'):
            publish(run_id)
        actor.wait(lambda: actor.statuses[-1].replay_steps == 8)
        actor.wait(lambda: actor.statuses[-1].rejected_steps == 18)
        time.sleep(1.2)
        publish('own')  # as from a bag of this run that is played beside the cell
        actor.wait(lambda: actor.statuses[-1].rejected_steps == 27)
        assert actor.statuses[-1].replay_steps == 8
        actor.wait(lambda: actor.weights)
        assert {weights.run_id for weights in actor.weights} == {'own'}
    finally:
        output, code, _ = end(learner)
    assert code == 0, output
    assert "it is of run 'theirs', but this run is 'own'" in output
    assert 'of of-own was received before; do not play a bag' in output
    assert '/test_actor on this host' in output
    assert [bag.directory.name for bag in open_bags(tmp_path / 'run' / 'bags')] == ['of-own']


def test_a_learner_that_was_started_again_refuses_the_recorded_steps_of_its_run(
    environment, actor, tmp_path
):
    schema = make_task('grasp_lift', model_hash())
    before = [step_to_cdr(replace(step, run_id='own')) for step in episode(schema, 'before')]
    foreign = step_to_cdr(replace(episode(schema, 'foreign')[0], run_id='theirs'))
    for kept in (0, 8):
        began = actor.node.get_clock().now()
        learner = start(environment, tmp_path / 'run', 'run_id:=own')

        def status():
            """Return the newest status of this learner, or None."""
            stamps = [Time.from_msg(each.header.stamp) for each in actor.statuses[-1:]]
            return actor.statuses[-1] if stamps and stamps[0] > began else None

        try:
            actor.wait(status)
            assert status().replay_steps == kept

            def discovered():
                actor.steps.publish(foreign)
                actor.executor.spin_once(timeout_sec=0.2)
                return status().rejected_steps

            actor.wait(discovered)
            time.sleep(1.2)  # one refusal a second is said
            for data in before:  # the second time as from `ros2 bag play` of this start
                actor.steps.publish(data)
            actor.wait(lambda: status().replay_steps == 8)
            actor.wait(lambda: not kept or status().rejected_steps > len(before))
            actor.wait(lambda: actor.on_disk() == {'before': 8})
        finally:
            output, code, _ = end(learner)
        assert code == 0, output
    assert 'resumed' in output and 'of before was received before; do not play a bag' in output


def test_two_cells_feed_one_learner_and_both_get_its_policy(environment, tmp_path):
    schema = make_task('grasp_lift', model_hash())
    left, right = Actor('left'), Actor('right')
    bystander = Actor()
    learner = start(environment, tmp_path / 'run', 'actors:=left, /right')
    try:
        for actor in (left, right):
            actor.task.publish(task_to_cdr(schema))
            actor.wait(lambda: actor.weights and actor.steps.get_subscription_count())
        # those of killed learners of other tests count until the middleware gives them up
        bystander.wait(lambda: not bystander.steps.get_subscription_count())
        for one, other in zip(episode(schema, 'l'), episode(schema, 'r')):  # at the same time
            left.steps.publish(step_to_cdr(one))
            right.steps.publish(step_to_cdr(other))
        for actor in (left, right):
            actor.wait(lambda: actor.statuses and actor.statuses[-1].replay_steps == 16)
            actor.wait(lambda: actor.weights[-1].version > 1)
        assert not bystander.weights and not bystander.statuses
    finally:
        output, code, _ = end(learner)
        for actor in (left, right, bystander):
            actor.close()
    assert code == 0, output
    bags = open_bags(tmp_path / 'run' / 'bags')
    assert sorted((bag.directory.name, {s.episode_id for s in bag.steps()}) for bag in bags) == [
        ('l', {'l'}),
        ('r', {'r'}),
    ]
