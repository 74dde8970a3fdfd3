"""Rewards, labels and other nodes of the actor as a process over real rclpy, in a fake cell."""

import time

from actor_support.fake_cell import (
    bundle,
    own_domain,
    running,
    wait_for,
)
from actor_support.running_actor import (
    cell_with_actor,
    commands_since,
    episode,
    resumes_by_itself,
)
import numpy as np
import pytest

from so101_node import names

pytestmark = pytest.mark.graph


def ends_without_reward(cell):
    # the last record of an episode has none anyway
    return [s.has_reward for s in list(cell.steps) if not s.last][-3:] == [False] * 3


def test_without_a_reward_message_steps_have_no_reward(cell):
    assert all(step.has_reward and step.reward == 0.25 for step in cell.steps[-3:])
    cell.reward_on = False
    time.sleep(0.8)
    wait_for(lambda: ends_without_reward(cell), 'steps without reward')
    cell.reward_on = True


def test_a_false_reward_is_corrected_by_the_key_and_back(cell):
    wait_for(lambda: cell.status, 'a status')
    was, before = episode(cell), cell.status[-1].successes
    cell.judgement = {'success': True, 'probability': 0.9, 'sure': True, 'source': 'detector ab'}
    wait_for(lambda: cell.status and cell.status[-1].mode == 'RESET', 'the end of the episode')
    cell.judgement = {'source': 'detector ab', 'sure': True}
    wait_for(lambda: cell.status[-1].successes == before + 1, 'a success')
    cell.labels.clear()
    assert not cell.press(names.SUCCESS).success  # it is one already
    assert cell.press(names.FAILURE).success
    wait_for(lambda: cell.labels == [(was, 'failure')], 'the label')
    wait_for(lambda: cell.status[-1].successes == before, 'the corrected count')
    wait_for(lambda: cell.reported('the last episode is a failure now, in bag and replay'), 'news')
    assert cell.press(names.SUCCESS).success
    wait_for(lambda: cell.labels[1:] == [(was, 'success')], 'the second label')


def test_an_outcome_that_the_operator_marks_beside_a_detector_becomes_a_label(cell):
    was = episode(cell)
    cell.labels.clear()
    assert cell.press(names.FAILURE).success
    cell.wait_for_mode('RESET')  # its last step is judged
    cell.wait_for_mode('POLICY')  # the fake source is no detector: the outcome is in the steps
    assert cell.labels == []
    cell.judgement = {'source': 'detector ab', 'sure': True, 'probability': 0.3}
    wait_for(lambda: episode(cell) not in ('', was), 'the next episode')
    wait_for(lambda: cell.status[-1].reward_source == 'detector ab', 'its name')
    assert cell.status[-1].success_probability == pytest.approx(0.3)
    was = episode(cell)
    assert cell.press(names.FAILURE).success
    wait_for(lambda: cell.labels == [(was, 'failure')], 'the label')
    cell.judgement = {'source': 'detector ab', 'sure': False, 'probability': 0.3}
    wait_for(lambda: np.isnan(cell.status[-1].success_probability), 'not sure')


def test_the_rewards_of_another_run_are_not_taken(cell):
    cell.reward_run = 'other'
    try:
        wait_for(lambda: ends_without_reward(cell), 'steps without reward')
    finally:
        cell.reward_run = ''


def test_two_cells_do_not_receive_each_others_messages(cell):
    with running('kinematics', 'b'), cell_with_actor('b', reward_source='operator') as other:
        wait_for(lambda: any(not s.last for s in other.steps), 'steps of the other', 30.0)
        assert all(s.has_reward and s.reward == 0.0 for s in other.steps if not s.last)
        assert cell.press(names.ESTOP).success
        cell.wait_for_mode('ESTOP')
        since, steps = time.monotonic(), len(other.steps)
        wait_for(lambda: len(other.steps) >= steps + 10, 'steps of the other')
        assert not commands_since(cell, since) and commands_since(other, since)
        assert other.status[-1].mode == 'POLICY' and cell.status[-1].mode == 'ESTOP'
        assert not {s.episode_id for s in cell.steps} & {s.episode_id for s in other.steps}
    assert "driver's stop is still in force" in cell.press(names.ESTOP_RESET).message
    assert cell.press(names.DRIVER_STOP_RESET).success
    wait_for(lambda: cell.press(names.ESTOP_RESET).success, 'the end of the stop')
    resumes_by_itself(cell)


@pytest.mark.parametrize(
    'role, field, value',
    [
        ('train', 'action', 'dx:0.03,dy:0.02,dz:0.02,gripper:0.2'),
        ('record', 'action', 'dx:0.02,dy:0.02,dz:0.02'),
        ('eval', 'box_max', '[0.35, 0.15, 0.2]'),
    ],
)
def test_nothing_moves_while_the_fk_service_computes_other_actions_than_the_tasks(
    tmp_path, role, field, value
):
    policy, parameters = tmp_path / 'policy.safetensors', {}
    policy.write_bytes(bundle(1))
    if role == 'eval':
        parameters = {'policies': [str(policy)], 'results': [str(tmp_path)], 'episodes': 1}
    with (
        own_domain(),
        running('kinematics', 'b', **{field: value}),
        cell_with_actor('b', role=role, **parameters) as cell,
    ):
        sentence = f'{field} {value}, the task '
        wait_for(lambda: cell.reported(sentence), sentence, 20.0)
        answers = []

        def told():
            answers.append(cell.press(names.START))
            return sentence in answers[-1].message

        wait_for(told, f'START is answered: {sentence}', 20.0)
        assert not any(answer.success for answer in answers)
        assert f'start the kinematics node with {field}:=' in answers[-1].message
        time.sleep(1.0)
        assert cell.status[-1].mode == 'IDLE' and not cell.commands and not cell.steps
