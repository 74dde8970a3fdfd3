"""The driver's stop and its one commander, through a real ROS graph with foreign nodes."""

import signal
import time

from driver_support.driver_process import Bench, start
from driver_support.emulated_arm import EmulatedArm
import numpy as np
import pytest
from std_msgs.msg import Empty

from so101_interfaces.msg import ActorStatus, DriverStatus
from so101_node import names, qos
from so101_sim import calibration_path

pytestmark = pytest.mark.graph
FAR, BACK = [1.2, 0.3, -0.3, 0.4, 0.5, 0.6], [-1.2, -0.3, 0.3, -0.4, -0.5, 0.6]


@pytest.fixture
def follower(tmp_path):
    with EmulatedArm(tmp_path / 'port') as arm:
        yield arm


@pytest.fixture
def driver(follower):
    process = start(
        follower_port=follower.port,
        answer_timeout=0.01,
        follower_calibration=calibration_path('follower'),
    )
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


@pytest.fixture
def moving(bench, driver):
    """A bench node that has the command; its arm is on its way to FAR."""
    bench.spin_until(lambda: bench.states)
    assert bench.torque(True).success
    bench.spin_until(lambda: bench.take_command().success)
    move(bench, FAR)
    return bench


def move(bench, target, distance=0.2):
    before = bench.position

    def moves():
        bench.command(target)
        return np.abs(bench.position - before).max() > distance

    bench.spin_until(moves)


def goals(arm):
    return [servo.setpoints[-1] for servo in arm.servos]


def test_a_stop_holds_against_every_node_until_its_own_reset(moving, follower):
    answer = moving.trigger(names.DRIVER_STOP)
    assert answer.success and 'a stop is in force' in answer.message
    time.sleep(0.05)  # until the emulated servos have read it
    held, stranger = goals(follower), Bench('follower', 'stranger')
    for _ in range(10):
        moving.command(BACK)
        stranger.command(BACK)
        moving.spin_for(0.02)
    assert not stranger.take_command(stranger.node.get_fully_qualified_name()).success
    assert not moving.take_command().success
    assert not stranger.torque(True).success
    assert not stranger.clear_faults().success
    assert goals(follower) == held
    moving.spin_until(lambda: moving.statuses[-1].stop == DriverStatus.HOLD)
    assert moving.statuses[-1].commander == '' and 'stop' in moving.statuses[-1].stop_cause
    stranger.destroy()
    assert moving.trigger(names.DRIVER_STOP_RESET).success
    for _ in range(10):  # the first motion needs a new take_command
        moving.command(BACK)
        moving.spin_for(0.02)
    assert goals(follower) == held
    moving.spin_until(lambda: moving.take_command().success)
    moving.spin_until(lambda: moving.take_command().success)
    move(moving, BACK)


def test_a_flood_of_stops_is_told_once_a_second_and_ends_nothing(moving, driver):
    stranger = moving.node.create_publisher(Empty, names.DRIVER_STOP, 1)
    moving.spin_until(lambda: stranger.get_subscription_count())
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        stranger.publish(Empty())
        moving.spin_for(0.01)
    took = time.monotonic() - began
    moving.spin_until(lambda: moving.statuses[-1].stop == DriverStatus.HOLD)
    assert moving.trigger(names.DRIVER_STOP).success
    driver.send_signal(signal.SIGTERM)
    out, err = driver.communicate(timeout=20)
    assert 1 <= (out + err).count('driver/stop by /bench') <= took + 2.0
    assert driver.returncode == 0


def test_a_release_by_a_topic_of_a_foreign_node_leaves_the_arm_limp(moving, follower):
    stranger = moving.node.create_publisher(Empty, names.DRIVER_RELEASE, 1)
    moving.spin_until(lambda: stranger.get_subscription_count())
    stranger.publish(Empty())
    moving.spin_until(lambda: not any(servo.torque_on for servo in follower.servos), 1.0)
    assert not moving.torque(True).success
    moving.spin_until(lambda: moving.statuses[-1].stop == DriverStatus.RELEASE)


def test_a_stop_that_does_not_reach_an_arm_is_kept_and_not_called_in_force(moving, follower):
    follower.unplug_port()
    moving.spin_until(lambda: time.time() - stamp(moving.states[-1]) > 0.5)
    answer = moving.trigger(names.DRIVER_STOP)
    assert not answer.success and 'cut the power of the arm' in answer.message
    moving.spin_until(lambda: moving.statuses[-1].stop == DriverStatus.HOLD)
    follower.plug_port()


def stamp(message):
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


def test_refused_commands_are_counted_and_told_once_a_second(moving, driver):
    stranger = Bench('follower', 'slider')
    moving.spin_until(lambda: stranger._commands.get_subscription_count())
    before, began = moving.statuses[-1].refused_commands, time.monotonic()
    while time.monotonic() - began < 2.5:
        stranger.command(BACK)
        moving.spin_for(0.01)
    took = time.monotonic() - began
    moving.spin_until(lambda: moving.statuses[-1].refused_commands > before + 20)
    stranger.destroy()
    driver.send_signal(signal.SIGTERM)
    out, err = driver.communicate(timeout=20)
    lines = [line for line in (out + err).splitlines() if 'command of /slider' in line]
    assert 1 <= len(lines) <= took + 2.0, lines
    assert 'more before)' in lines[-1], lines


def test_a_stop_is_not_delayed_by_a_slow_service(moving, follower):
    follower.servos[2].faults = 32
    moving.spin_for(0.2)
    slow = moving._clear.call_async(moving._clear.srv_type.Request())
    moving.spin_for(0.2)
    assert not slow.done()
    began = time.monotonic()
    assert moving.trigger(names.DRIVER_STOP).success
    assert time.monotonic() - began < 0.5


def test_one_node_has_the_command_and_the_others_are_named(moving, driver, follower):
    run = moving.node.create_publisher(ActorStatus, names.ACTOR_STATUS, qos.STATUS)
    assert moving.take_command('/bench', 'run-1').success
    stranger = Bench('follower', 'slider')
    moving.spin_until(lambda: stranger._commands.get_subscription_count())

    def refused():
        run.publish(moving.status('POLICY', 'run-1'))
        stranger.command(BACK)
        return 'command of /slider on this host refused' in moving.statuses[-1].refusal

    moving.spin_until(refused)
    assert moving.statuses[-1].commander == '/bench'
    answer = stranger.take_command('/slider')
    assert (
        not answer.success and '/bench on this host of run run-1 has the command' in answer.message
    )
    moving.spin_until(lambda: moving.statuses[-1].commander == '')  # its status has ended
    assert stranger.take_command('/slider').success
    stranger.spin_until(lambda: stranger.states)
    move(stranger, BACK)
    stranger.destroy()


def test_during_a_stop_the_end_of_the_driver_moves_nothing(moving, driver, follower):
    assert moving.trigger(names.DRIVER_STOP).success
    time.sleep(0.05)  # until the emulated servos have read it
    held = goals(follower)
    driver.send_signal(signal.SIGTERM)
    out, err = driver.communicate(timeout=20)
    assert driver.returncode == 0
    assert 'KEEPS HOLDING' in out + err
    assert goals(follower) == held and all(servo.torque_on for servo in follower.servos)
