"""The driver node in its own process, on emulated arms, through a real ROS graph."""

import json
import signal
import time

from driver_support.driver_process import Bench, start
from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import wait_for
import numpy as np
import pytest

from so101_description.joints import JOINTS
from so101_driver.calibration import load_calibration
from so101_interfaces.msg import ActorStatus
from so101_node import names, qos
from so101_node.errors import REFUSED
from so101_node.modes import LEADER_TORQUE
from so101_sim import calibration_path

pytestmark = pytest.mark.graph


@pytest.fixture
def cell(tmp_path):
    """Both emulated arms, and a driver whose ports appear after its start."""
    ports = [tmp_path / 'follower', tmp_path / 'leader']
    process = start(
        follower_port=ports[0],
        leader_port=ports[1],
        answer_timeout=0.01,
        follower_calibration=calibration_path('follower'),
        leader_calibration=calibration_path('leader'),
    )
    time.sleep(0.5)
    with EmulatedArm(ports[0]) as follower, EmulatedArm(ports[1], 'leader') as leader:
        yield process, follower, leader
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)


def test_the_driver_from_joint_states_to_exit(cell, bench):
    process, follower, leader = cell
    # joint states
    bench.spin_until(lambda: bench.states)
    bench.states.clear()
    bench.spin_for(1.0)
    assert len(bench.states) >= 50
    state = bench.states[-1]
    assert tuple(state.name) == JOINTS and state.header.frame_id == 'base_link'
    assert len(state.velocity) == len(state.effort) == 6
    assert abs(time.time() - (state.header.stamp.sec + state.header.stamp.nanosec * 1e-9)) < 0.5
    # torque and commands: accepted commands are published within the limits
    bench.command([0.0] * 6)
    bench.spin_for(0.2)
    assert bench.targets == []
    assert bench.torque(True).success
    bench.spin_until(lambda: bench.take_command().success)
    command = bench.command([2.5, 0, 0, 0, 0, 0.5])
    bench.spin_until(lambda: bench.targets)
    assert bench.targets[-1].header.stamp == command.header.stamp
    assert 1.0 < bench.targets[-1].position[0] < 2.4 and bench.targets[-1].position[5] == 0.5
    assert all(servo.torque_on for servo in follower.servos)
    assert not any(servo.torque_on for servo in leader.servos)
    target = np.array([0.3, -0.2, 0.1, 0.2, -0.1, 0.6])

    def there():
        bench.command(target)
        return np.allclose(bench.position, target, atol=0.005)

    bench.spin_until(there)
    # a stale command holds short of its target
    bench.spin_for(0.4)
    bench.command([-1.5, 0, 0, 0, 0, 0.6])
    bench.spin_for(0.7)
    held = bench.position
    bench.spin_for(0.2)
    assert np.allclose(bench.position, held, atol=0.003)
    assert held[0] > -1.0
    bench.spin_until(lambda: bench.statuses)
    assert bench.statuses[-1].joint_limits == 'model'
    calibration, allowed = load_calibration(calibration_path('follower')), bench.statuses[-1]
    assert tuple(allowed.follower_range.name) == JOINTS
    assert np.array_equal(allowed.follower_range.lower, calibration.lower)
    assert np.array_equal(allowed.follower_range.upper, calibration.upper)
    # bad commands are refused, counted and named in the diagnostics
    bench.targets.clear()
    bench.command([0.0] * 6, JOINTS[:5] + ('grip',))
    bench.spin_for(0.1)
    bench.command([float('nan')] * 6)
    bench.diagnostics.clear()

    def refused():
        found = {
            s.name: {v.key: v.value for v in s.values}
            for message in bench.diagnostics
            for s in message.status
        }
        return found.get('driver: follower', {}).get('commands_refused', '') >= '2' and found

    bench.spin_until(refused)
    found = refused()
    assert len(found) == 14 and bench.targets == []
    assert int(found['driver: follower']['commands_stale']) >= 1
    assert float(found['driver: leader']['rate_hz']) > 50
    assert found['driver: leader: gripper']['voltage_v'] == '7.4'
    # exit
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert time.monotonic() - began < 4.5
    assert 'Traceback' not in out + err
    for line in ('follower: at rest', 'follower: torque off', 'leader: port closed'):
        assert line in out + err
    assert "unknown joint 'grip'" in out + err
    assert not any(servo.torque_on for servo in follower.servos + leader.servos)


def test_the_driver_reconnects_to_a_port_that_was_unplugged(tmp_path, bench):
    with EmulatedArm(tmp_path / 'port') as follower:
        process = start(
            follower_port=follower.port,
            answer_timeout=0.01,
            follower_calibration=calibration_path('follower'),
        )
        bench.spin_until(lambda: bench.states)
        follower.unplug_port()
        bench.diagnostics.clear()
        bench.spin_until(
            lambda: any(
                'reconnecting' in s.message
                for message in bench.diagnostics
                for s in message.status
            )
        )
        plugged_at = time.monotonic()
        follower.plug_port()
        bench.states.clear()
        bench.spin_until(lambda: len(bench.states) > 20)
        bench.diagnostics.clear()
        bench.spin_until(lambda: bench.diagnostics)
        values = {pair.key: pair.value for pair in bench.diagnostics[0].status[0].values}
        assert values['reconnects'] == '1'
        assert float(values['link_steady_s']) <= time.monotonic() - plugged_at
        assert bench.clear_faults().success
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and 'Traceback' not in out + err
    assert 'follower: reconnected' in out + err


def test_a_real_arm_keeps_its_time_limits():
    process = start(
        follower_port='/dev/null',  # it is no pseudo-terminal, as a serial port
        follower_calibration=calibration_path('follower'),
        patience=10.0,
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and 'Traceback' not in err
    assert '/dev/null is of a real arm, whose time limits stay as they are' in err


def test_a_supply_that_is_not_that_of_the_bench_ends_the_driver_with_one_sentence(tmp_path):
    with EmulatedArm(tmp_path / 'port') as follower:
        process = start(
            follower_port=follower.port,
            follower_calibration=calibration_path('follower'),
            follower_voltage=7.4,
        )
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1 and 'Traceback' not in err
    assert 'shoulder_pan measures 12.0 V, and the supply is said to have 7.4 V' in err


def test_the_leaders_torque_follows_the_mode_topic_and_ends_when_the_actor_dies(ros, tmp_path):
    bench = Bench('leader')
    stranger = bench.node.create_publisher(ActorStatus, names.ACTOR_STATUS, qos.STATUS)
    status = bench.node.create_publisher(ActorStatus, names.ACTOR_STATUS, qos.STATUS)
    with EmulatedArm(tmp_path / 'port', 'leader') as leader:
        process = start(
            leader_port=leader.port,
            answer_timeout=0.01,
            leader_calibration=calibration_path('leader'),
        )

        def torque_after(mode):
            on = LEADER_TORQUE[mode]

            def torque_follows():
                status.publish(bench.status(mode, 'run-1'))
                return all(servo.torque_on == on for servo in leader.servos)

            bench.spin_until(torque_follows)

        bench.spin_until(lambda: bench.states)
        bench.spin_until(lambda: bench.take_command(run_id='run-1').success)
        for mode in ('POLICY', 'HUMAN', 'READY', 'PAUSED', 'RESET'):
            torque_after(mode)  # no service is called
            stranger.publish(bench.status('POLICY', 'run-2'))
        before = time.monotonic()
        bench.spin_until(lambda: not any(servo.torque_on for servo in leader.servos), 3.0)
        assert time.monotonic() - before > 0.5
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    bench.destroy()
    assert process.returncode == 0
    assert 'leader: torque off (no status of the actor' in out + err


def test_swapped_ports_are_detected_by_the_calibration_in_the_servos(tmp_path):
    with EmulatedArm(tmp_path / 'a') as follower, EmulatedArm(tmp_path / 'b', 'leader') as leader:
        written = [servo.eeprom_writes for servo in follower.servos + leader.servos]
        process = start(
            follower_port=leader.port,
            leader_port=follower.port,
            follower_calibration=calibration_path('follower'),
            leader_calibration=calibration_path('leader'),
            answer_timeout=0.01,
        )
        _, err = process.communicate(timeout=20)
        assert [s.eeprom_writes for s in follower.servos + leader.servos] == written
    assert process.returncode == 1
    assert f'follower_port: the arm on {leader.port} is the leader' in err
    assert 'exchange follower_port and leader_port' in err


def test_the_error_of_a_missing_port_names_the_arm_on_the_other_port(tmp_path):
    with EmulatedArm(tmp_path / 'b', 'leader') as leader:
        process = start(
            follower_port=tmp_path / 'a',
            leader_port=leader.port,
            port_wait=0.1,
            follower_calibration=calibration_path('follower'),
            leader_calibration=calibration_path('leader'),
        )
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert 'follower_port' in err and 'no such port' in err
    assert f'the arm on {leader.port} is the leader' in err


def test_the_driver_waits_for_an_arm_that_is_switched_on_late(tmp_path, bench):
    with EmulatedArm(tmp_path / 'port') as follower:
        for servo in follower.servos:
            servo.power_cycle(False)
        process = start(
            follower_port=follower.port,
            answer_timeout=0.01,
            follower_calibration=calibration_path('follower'),
        )
        wait_for(follower.is_open, 60.0)
        wait_for(lambda: not follower.is_open(), 10.0)  # the first attempt has failed
        assert process.poll() is None
        for servo in follower.servos:
            servo.power_cycle(True)
        bench.states.clear()
        bench.spin_until(lambda: bench.states)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert 'does not answer' in out + err and 'tried again' in out + err


def implausible(tmp_path):
    with open(calibration_path('follower'), encoding='utf-8') as file:
        table = json.load(file)
    table['elbow_flex']['range_max'] = table['elbow_flex']['range_min'] + 100
    path = tmp_path / 'implausible.json'
    path.write_text(json.dumps(table))
    return path


@pytest.mark.parametrize(
    'parameters, words',
    [
        ({'speed': 2.0}, 'unknown parameter speed'),
        ({}, 'neither follower_port nor leader_port'),
        (
            {'follower_port': '/dev/nowhere', 'follower_calibration': '/nowhere.json'},
            'calibration /nowhere.json cannot be read',
        ),
        ({'follower_port': '/dev/nowhere'}, 'needs a calibration file'),
        (
            {'follower_port': '/dev/nowhere', 'follower_calibration': implausible},
            'elbow_flex: range is 911 to 1011, 100 ticks',
        ),
        (
            {
                'follower_port': '/dev/nowhere',
                'port_wait': 0.1,
                'follower_calibration': calibration_path('follower'),
            },
            'follower_port: /dev/nowhere: no such port',
        ),
        ({'locked_joints': 'wrist'}, 'locked_joints: unknown joint wrist'),
        ({'bus_rate': 2000}, 'bus_rate:=2000 is out of range'),
    ],
)
def test_bad_input_is_one_sentence_and_an_exit_code_of_its_own(tmp_path, parameters, words):
    parameters = {k: v(tmp_path) if callable(v) else v for k, v in parameters.items()}
    process = start(**parameters)
    out, err = process.communicate(timeout=20)
    # a port may come back, and the driver waited for it with its arm's thread
    assert process.returncode == (1 if 'no such port' in words else REFUSED)
    assert words in err
    assert len(err.strip().splitlines()) == 1 and 'Traceback' not in out
