"""The control loop's behaviour, tick by tick, with real kinematics and a real policy."""

from actor_support.simulated_bench import SCHEMA, SimulatedBench, make_policy
import numpy as np
import pytest

from hilserl_core.contract.steps import Outcome, Source
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.network_config import NetworkConfig
from so101_description.collision import Collision
from so101_description.joints import LOWER, UPPER
from so101_description.model import model_hash


def test_reset_brings_the_tool_to_the_start_pose_within_limits_and_speed():
    bench = SimulatedBench()
    bench.ready()
    tool, _ = bench.kinematics_core.tool_pose(bench.position['follower'])
    assert np.abs(tool - SCHEMA.start).max() < SCHEMA.start_spread + 0.002
    path = np.array([q for arm, q in bench.commands if arm == 'follower'])
    assert (path >= LOWER - 1e-9).all() and (path <= UPPER + 1e-9).all()
    assert np.abs(np.diff(path, axis=0)).max() <= 0.1 + 1e-6  # 1 rad/s at 10 Hz
    assert bench.steps == []  # a reset makes no steps


def test_ready_holds_the_start_pose_by_command():
    bench = SimulatedBench()
    bench.ready()
    pose, count = bench.position['follower'].copy(), len(bench.commands)
    bench.tick(5)
    held = [q for arm, q in bench.commands[count:] if arm == 'follower']
    assert len(held) == 5 and all(np.array_equal(q, pose) for q in held)


def test_a_step_is_stored_with_the_action_that_was_executed():
    bench = SimulatedBench()
    bench.start()
    bench.tick(5)
    assert [s.index for s in bench.steps] == [0, 1, 2, 3, 4]
    core = bench.kinematics_core
    targets = [q for arm, q in bench.commands if arm == 'follower'][-6:]
    for step, before, after in zip(bench.steps, [None, *targets], targets):
        if before is None:
            continue
        again = core.joint_target(before, before, step.action, SCHEMA.pitch, SCHEMA.wrist_roll)
        assert np.abs(again.q - after).max() < 1e-6
    assert {s.source for s in bench.steps} == {Source.POLICY}
    assert {s.policy_version for s in bench.steps} == {1}
    assert all(s.sigma == pytest.approx(0.3) for s in bench.steps)


def test_preparing_a_tick_does_not_change_its_result():
    benches = SimulatedBench(), SimulatedBench()
    benches[1].prepares_ticks = True
    for bench in benches:
        bench.start()
        bench.tick(4)
        bench.loop.request('intervene', 'test')
        for move in (0.0, 0.02, -0.03, 0.01):
            bench.position['leader'] = bench.position['leader'] + move
            bench.tick()
        bench.loop.request('release', 'test')
        bench.tick(3)
    actions = [np.array([s.action for s in bench.steps if not s.last]) for bench in benches]
    assert len(actions[0]) == 11 and np.array_equal(*actions)
    assert [s.source for s in benches[1].steps].count(Source.HUMAN) == 4


def test_preparations_for_a_tick_without_observations_are_dropped():
    bench = SimulatedBench()
    bench.start()
    bench.loop.request('intervene', 'test')
    bench.tick(2)
    sensed = bench.sensed()
    bench.loop.prepare(sensed.stamp, sensed.images, sensed.leader)
    bench.loop.tick_without_observations('no image')
    bench.position['leader'] = bench.position['leader'] + 0.02
    bench.tick()
    bench.tick()
    assert np.abs(bench.steps[-1].action).max() > 0.05


def test_each_steps_successor_is_the_next_observation():
    bench = SimulatedBench()
    bench.start()
    bench.tick(3)
    pixels = [int(s.images[0][0, 0, 0]) for s in bench.steps]
    assert np.diff(pixels).tolist() == [1, 1]


def test_success_terminates_with_reward_and_a_final_observation():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    bench.tick(reward=1.0, success=True)
    *_, step, final = bench.steps
    assert (step.terminated, step.truncated, step.reward) == (True, False, 1.0)
    assert final.last and final.outcome == Outcome.SUCCESS and final.action.size == 0
    assert final.index == step.index + 1
    assert bench.mode == 'RESET'
    assert bench.loop.stats.successes == 1


def test_time_out_is_truncation_not_termination():
    bench = SimulatedBench()
    bench.start()
    bench.tick(SCHEMA.max_steps)
    *_, step, final = bench.steps
    assert (step.terminated, step.truncated) == (False, True)
    assert final.outcome == Outcome.TIMEOUT
    assert len(bench.steps) == SCHEMA.max_steps + 1


def test_no_reward_is_not_zero_reward():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2, reward=None)
    assert bench.steps[-1].reward is None


def test_marks_are_edge_triggered():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    assert bench.loop.request('success', 'operator') == ''
    assert bench.loop.request('success', 'operator') == ''  # pressed twice, counted once
    bench.tick(30)
    assert bench.loop.stats.successes == 1
    assert sum(s.terminated for s in bench.steps) == 1
    assert 'not possible' in bench.loop.request('success', 'operator')


def test_a_human_takes_over_without_a_jump_and_their_action_is_what_is_executed():
    bench = SimulatedBench(sigma=0.0)
    bench.start()
    bench.tick(3)
    # The leader is 0.2 rad away from the follower; the clutch must compensate.
    bench.position['leader'] = bench.position['follower'] + np.array([0.2, 0, 0, 0, 0, 0])
    assert bench.loop.request('intervene', 'operator') == ''
    bench.torque['leader'] = False
    before = bench.position['follower'].copy()
    bench.tick()
    assert np.abs(bench.position['follower'] - before).max() < np.deg2rad(2)
    bench.tick()
    assert bench.mode == 'HUMAN'
    assert bench.torque['leader'] is False
    bench.position['leader'] = bench.position['leader'] + np.array([0.02, 0, 0, 0, 0, -0.1])
    tool_before, _ = bench.kinematics_core.tool_pose(bench.position['follower'])
    bench.tick(2)
    step = bench.steps[-1]
    assert step.source == Source.HUMAN and step.policy_version == 0
    assert step.action[1] < -0.1  # pan + is to the right: -y
    assert step.action[3] == pytest.approx(-0.5, abs=0.01)
    tool, _ = bench.kinematics_core.tool_pose(bench.position['follower'])
    assert tool[1] < tool_before[1]
    assert bench.loop.stats.interventions == 1


def test_release_gives_back_to_the_policy_and_locks_the_leader():
    bench = SimulatedBench()
    bench.start()
    bench.loop.request('intervene', 'operator')
    bench.tick(3)
    before = bench.position['follower'].copy()
    assert bench.loop.request('release', 'operator') == ''
    bench.tick(2)
    assert bench.mode == 'POLICY' and bench.torque['leader']
    # one action moves the tool by at most its scale on each axis
    move = (
        bench.kinematics_core.tool_pose(bench.position['follower'])[0]
        - bench.kinematics_core.tool_pose(before)[0]
    )
    assert np.abs(move).max() < 2 * 0.02 + 0.002


def test_without_kinematics_nothing_is_executed_and_nothing_stored():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    stored = len(bench.steps)
    commands = sum(arm == 'follower' for arm, _ in bench.commands)
    bench.kinematics_error = 'kinematics/get_joint_target did not answer'
    bench.tick(3)
    assert sum(arm == 'follower' for arm, _ in bench.commands) == commands
    assert len(bench.steps) == stored + 1  # the step whose next observation arrived
    assert 'did not answer' in bench.loop.message
    bench.kinematics_error = ''
    bench.tick(2)
    assert len(bench.steps) == stored + 2


def test_a_command_that_the_driver_did_not_accept_makes_no_step_and_is_sent_again():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    stored = len(bench.steps)
    bench.ignores_commands = True
    bench.tick(2)
    assert len(bench.steps) == stored and 'did not accept' in bench.loop.message
    first, second = (q for arm, q in bench.commands[-2:])
    assert np.array_equal(first, second)
    bench.ignores_commands = False
    bench.tick(3)
    # one command was not accepted: one step is missing, and the index jumps
    assert [s.index for s in bench.steps[stored - 1 :]] == [stored - 1, stored + 1, stored + 2]


def test_a_driver_that_accepts_no_command_ends_the_episode_and_an_emergency_stop_works():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    bench.ignores_commands = True
    bench.tick(5)
    assert bench.mode == 'RESET' and any('did not accept' in line for line in bench.log)
    bench = SimulatedBench()
    bench.start()
    bench.ignores_commands = True
    bench.loop.request('estop', 'the operator')
    bench.tick()
    assert bench.mode == 'ESTOP'


def test_a_reset_from_a_folded_pose_takes_a_way_without_a_contact():
    """From here the inverse kinematics folds the lower arm into the shoulder, by 14 mm."""
    bench = SimulatedBench()
    bench.position['follower'] = np.array([1.84, 0.31, -0.61, -1.04, 1.01, 0.2])
    bench.ready()
    path = [target for arm, target in bench.commands if arm == 'follower']
    assert bench.contact(path) == ''


def test_a_reset_with_a_contact_on_its_way_moves_nothing_and_names_it():
    bench = SimulatedBench()
    bench.kinematics_core.collision = Collision(0.1)  # the table is higher than the start pose
    assert bench.loop.request('preflight', 'test') == ''
    bench.tick(5)
    assert bench.mode == 'IDLE' and not bench.commands
    assert 'the gripper would be' in bench.loop.message
    assert 'below the table surface (table_height 0.1 m); move the arm' in bench.loop.message


def test_a_reset_whose_commands_are_not_accepted_names_the_remedy():
    bench = SimulatedBench()
    bench.ignores_commands = True
    bench.loop.request('preflight', 'the preflight passed')
    bench.tick(9)
    assert bench.loop.message == ''
    bench.tick(6)
    assert bench.mode == 'RESET' and 'follower/clear_faults' in bench.loop.message


def test_a_tick_without_observations_drops_the_pending_step_and_leaves_a_gap():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    bench.loop.tick_without_observations('wrist_camera image is 300 ms old')
    bench.tick(2)
    assert [s.index for s in bench.steps] == [0, 1, 3]
    assert bench.loop.message.startswith('wrist_camera') or bench.loop.message == ''


def test_emergency_stop_works_without_observations_and_holds_until_reset():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    assert bench.loop.request('estop', 'operator') == ''
    bench.loop.tick_without_observations('no image')
    assert bench.mode == 'ESTOP'
    commands = len(bench.commands)
    bench.tick(5)
    assert len(bench.commands) == commands
    assert 'possible: end the stop (c)' in bench.loop.request('start', 'operator')
    assert bench.loop.request('estop_reset', 'operator') == ''


def test_discarded_episodes_are_marked_and_not_counted():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    bench.loop.request('discard', 'operator')
    bench.tick()
    assert bench.steps[-1].outcome == Outcome.DISCARDED
    assert bench.loop.stats.results == []


def test_while_recording_every_step_is_human_and_release_is_refused():
    bench = SimulatedBench('record', policy=False)
    bench.start()
    bench.tick(3)
    assert {s.source for s in bench.steps} == {Source.HUMAN}
    assert 'the human drives every step' in bench.loop.request('release', 'operator')


def test_evaluation_is_deterministic_and_ignores_the_leader():
    actions = []
    for _ in range(2):
        bench = SimulatedBench('eval')
        bench.start()
        bench.tick(5)
        assert 'take over (i) is not possible in EVAL' in bench.loop.request(
            'intervene', 'operator'
        )
        assert all(s.sigma == 0.0 for s in bench.steps)
        actions.append(np.array([s.action for s in bench.steps]))
    assert np.array_equal(*actions)


def test_new_weights_are_active_from_the_next_tick_on():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    bench.loop.offer(make_policy(2))
    bench.tick(3)
    assert [s.policy_version for s in bench.steps] == [1, 1, 1, 2, 2]


def test_an_intervention_without_a_leader_is_refused():
    bench = SimulatedBench()
    bench.start()
    assert 'none reports joint states' in bench.loop.request(
        'intervene', 'operator', has_leader=False
    )


def test_without_a_leader_the_ready_time_starts_no_recording_and_the_message_says_why():
    bench = SimulatedBench('record', policy=False, ready_time=0.3)
    bench.has_leader = False
    bench.ready()
    bench.tick(10)
    assert bench.mode == 'READY' and 'needs a leader arm' in bench.loop.message


def test_closing_mid_episode_makes_the_last_observation_final():
    bench = SimulatedBench()
    bench.start()
    bench.tick(3)
    bench.loop.close()
    assert bench.steps[-1].last and bench.steps[-1].outcome == Outcome.NONE
    assert [s.index for s in bench.steps] == [0, 1, 2, 3]


def test_an_episode_without_kinematics_for_half_a_second_ends_and_the_arm_resets():
    bench = SimulatedBench()
    bench.start()
    bench.tick(3)
    bench.kinematics_error = 'kinematics/get_joint_target did not answer within 50 ms'
    bench.tick(6)
    assert bench.mode == 'RESET' and bench.loop.episode is None
    assert any('did not answer' in line for line in bench.log)
    commands = len(bench.commands)
    bench.tick(20)
    assert len(bench.commands) == commands  # the arm holds
    bench.kinematics_error = ''
    for _ in range(60):
        bench.tick()
        if bench.mode == 'READY':
            break
    assert bench.mode == 'READY'


@pytest.mark.parametrize('rate', [10.0, 30.0])
def test_an_episode_survives_less_than_half_a_second_without_observations_at_any_rate(rate):
    schema = make_task('grasp_lift', model_hash(), rate=rate)
    for ticks, survives in ((round(0.4 * rate), True), (round(0.5 * rate), False)):
        bench = SimulatedBench('record', policy=False, schema=schema)
        bench.start()
        bench.tick(3)
        for _ in range(ticks):
            bench.loop.tick_without_observations('no image')
        assert (bench.mode == 'HUMAN') is survives


def test_an_episode_aborted_without_observations_ends_with_the_last_one_that_was_acted_on():
    bench = SimulatedBench()
    bench.start()
    bench.tick(3)
    for _ in range(5):
        bench.loop.tick_without_observations('no image')
    assert [s.index for s in bench.steps] == [0, 1, 2, 3]
    *_, step, final = bench.steps
    assert final.last and final.action.size == 0 and final.outcome == Outcome.NONE
    assert not (step.terminated or step.truncated)


def test_a_restarted_driver_receives_the_torque_request_again():
    bench = SimulatedBench()
    bench.start()
    bench.tick(3)
    bench.torque['follower'] = False  # a new driver, which found the servos without torque
    for _ in range(5):
        bench.loop.tick_without_observations('follower joint state is 600 ms old')
    bench.tick()
    assert bench.torque['follower']


def test_a_short_time_without_observations_does_not_restart_a_reset():
    bench = SimulatedBench()
    bench.loop.request('preflight', 'test')
    bench.tick(8)
    pose = bench.position['follower'].copy()
    bench.loop.tick_without_observations('no image')
    assert np.array_equal(bench.position['follower'], pose)
    bench.tick()
    assert 0.0 < np.abs(bench.position['follower'] - pose).max() <= 0.1 + 1e-6
    for _ in range(100):
        bench.tick()
    assert bench.mode == 'READY'


def test_ready_waits_for_start_or_for_a_set_time():
    bench = SimulatedBench()
    bench.ready()
    bench.tick(100)
    assert bench.mode == 'READY'
    bench = SimulatedBench(ready_time=2.0)
    bench.ready()
    bench.tick(19)
    assert bench.mode == 'READY'
    bench.tick(2)
    assert bench.mode == 'POLICY' and 'READY -> POLICY: READY for 2 s' in bench.log


def test_after_an_interruption_no_episode_starts_before_one_second_of_observations():
    bench = SimulatedBench(ready_time=0.3)
    bench.ready()
    for _ in range(6):
        bench.loop.tick_without_observations('follower joint state is 600 ms old')
    bench.tick(9)  # a new driver publishes before it receives
    assert 'recovered less than 1 s ago' in bench.loop.request('start', 'test')
    assert bench.mode == 'READY'
    bench.tick(3)
    assert bench.mode == 'POLICY'


def test_the_hash_and_the_latency_of_the_active_policy_are_known():
    bench = SimulatedBench()
    bench.start()
    bench.loop.offer(make_policy(2), bench.now + 60_000_000)
    first = bench.loop.active_policy.sha256
    bench.tick()  # at 100 ms
    assert bench.loop.active_policy.sha256 not in ('', first)
    assert list(bench.loop.active_policy.latencies) == [pytest.approx(0.04)]


@pytest.mark.parametrize('mark', ['reward source', 'key'])
@pytest.mark.parametrize('missing', ['driver', 'kinematics'])
def test_a_success_without_a_step_is_the_reward_of_the_next_one(mark, missing):
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    if missing == 'driver':
        bench.ignores_commands = True
    else:
        bench.kinematics_error = 'did not answer'
        bench.tick()
    if mark == 'key':
        assert bench.loop.request('success', 'operator') == ''
    bench.tick(reward=1.0, success=mark != 'key')
    bench.ignores_commands, bench.kinematics_error = False, ''
    bench.tick(3)
    assert bench.mode == 'RESET' and bench.loop.stats.successes == 1
    *_, step, last = bench.steps
    assert (step.reward, step.terminated, last.last) == (1.0, True, True)
    assert last.index == step.index + 1 and last.outcome == Outcome.SUCCESS


def test_a_discarded_episode_does_not_wait_for_a_step():
    bench = SimulatedBench()
    bench.start()
    bench.tick(2)
    bench.ignores_commands = True
    bench.tick(success=True)
    bench.loop.request('discard', 'operator')
    bench.tick()
    assert bench.steps[-1].outcome == Outcome.DISCARDED


def test_after_an_intervention_the_policy_sees_the_images_of_the_intervention():
    bench = SimulatedBench(sigma=0.0)
    policy = make_policy(network=NetworkConfig(frame_stack=3))
    bench.loop.offer(policy)
    bench.start()
    bench.tick(2)
    bench.loop.request('intervene', 'operator')
    bench.tick(4)
    bench.loop.request('release', 'operator')
    bench.tick(2)
    steps = bench.steps[-6:]
    assert [s.source for s in steps[-2:]] == [Source.HUMAN, Source.POLICY]
    *before, decided = steps
    fresh = make_policy(network=NetworkConfig(frame_stack=3))
    for step in before[-2:]:
        fresh.note(list(step.images))
    expected = fresh.act(list(decided.images), decided.state, 0.0, None)
    assert np.array_equal(decided.action, expected)
