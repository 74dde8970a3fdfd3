"""The managed driver and camera, through the lifecycle services in a real ROS graph."""

import os
import signal
import subprocess
import sys
import time

import cv2
from driver_support.driver_process import start
from driver_support.emulated_arm import EmulatedArm
from driver_support.lifecycle import Lifecycle
import numpy as np
import pytest
from sensor_msgs.msg import Image

from so101_description.joints import REST
from so101_driver import settling
from so101_interfaces.msg import DriverStatus
from so101_node import names, qos
from so101_sim import calibration_path

pytestmark = [pytest.mark.graph, pytest.mark.slow]
SETTLED = settling.TIME + 0.1  # s after a stop; then no setpoint moves
FAR = [0.6, -0.6, 0.5, 0.4, 0.5, 0.6]
CAMERA = 'from so101_driver.entry_points import camera; camera()'


@pytest.fixture
def follower(tmp_path):
    with EmulatedArm(tmp_path / 'port') as arm:
        yield arm


@pytest.fixture
def started(follower):
    """A function that starts a driver; it ends with the test."""
    processes = []

    def begin(**parameters):
        processes.append(
            start(
                follower_port=follower.port,
                answer_timeout=0.01,
                patience=10.0,  # a busy computer
                follower_calibration=calibration_path('follower'),
                **parameters,
            )
        )
        return processes[-1]

    yield begin
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


@pytest.fixture
def driver(bench):
    return Lifecycle(bench.node, 'driver', bench.spin_until)


@pytest.fixture
def managed(started, driver):
    process = started(managed=True)
    assert driver.state == 'unconfigured'
    return process


def has_torque(follower):
    return [servo.torque_on for servo in follower.servos]


def move(bench, target, distance=0.2):
    before = bench.position

    def moves():
        bench.command(target)
        return np.abs(bench.position - before).max() > distance

    bench.spin_until(moves)


def bring_to_motion(bench, driver):
    """Configure and activate the driver; the arm is on its way to FAR."""
    assert driver.set('configure') and driver.set('activate')
    bench.spin_until(lambda: bench.states)
    assert bench.torque(True).success
    bench.spin_until(lambda: bench.take_command().success)
    move(bench, FAR)


def test_a_managed_driver_opens_moves_and_releases_its_arm_only_as_its_state_allows(
    managed, driver, bench, follower
):
    assert driver.transitions == {'configure', 'shutdown'} and not follower.is_open()
    assert not bench.torque(True).success

    assert driver.set('configure') and driver.state == 'inactive'
    bench.spin_until(lambda: bench.states)
    bench.command(FAR)  # discovery
    answer = bench.torque(True)
    assert not answer.success and 'inactive' in answer.message
    taken = bench.take_command()
    assert not taken.success and 'ros2 lifecycle set /driver activate' in taken.message
    assert not any(servo.switched.count(1) for servo in follower.servos)

    assert driver.set('activate') and driver.state == 'active'
    assert not any(has_torque(follower))  # it comes on as the actor asks for it
    assert bench.torque(True).success
    bench.spin_until(lambda: bench.take_command().success)
    move(bench, FAR)

    assert driver.set('deactivate') and driver.state == 'inactive'
    assert not any(has_torque(follower))
    count = len(bench.states)
    bench.spin_until(lambda: len(bench.states) > count + 10)
    assert not bench.take_command().success and bench.statuses[-1].commander == ''

    assert driver.set('cleanup') and driver.state == 'unconfigured'
    assert not follower.is_open()
    bring_to_motion(bench, driver)  # the same way once more
    assert driver.set('shutdown') and driver.state == 'finalized'
    assert not follower.is_open() and not any(has_torque(follower))
    managed.send_signal(signal.SIGTERM)
    out, err = managed.communicate(timeout=20)
    assert managed.returncode == 0
    # at rest, or its distance from rest on a busy computer: by deactivate, then by shutdown
    assert (out + err).count('rest after') == 2


def test_a_stop_works_in_each_state_and_outlasts_each_transition(managed, driver, bench, follower):
    def stop():
        assert bench.trigger(names.DRIVER_STOP).success
        bench.spin_until(lambda: bench.statuses and bench.statuses[-1].stop == DriverStatus.HOLD)

    stop()  # unconfigured
    assert driver.set('configure') and driver.set('activate')
    bench.spin_until(lambda: bench.states)
    answer = bench.torque(True)
    assert not answer.success and 'a stop is in force' in answer.message
    assert bench.trigger(names.DRIVER_STOP_RESET).success
    assert driver.set('deactivate')
    stop()  # inactive
    assert driver.set('activate') and not bench.torque(True).success
    assert bench.trigger(names.DRIVER_STOP_RESET).success
    assert driver.set('deactivate') and driver.set('cleanup')

    bring_to_motion(bench, driver)
    stop()  # active
    bench.spin_for(SETTLED)
    held = [servo.setpoints[-1] for servo in follower.servos]
    assert not driver.set('deactivate')  # nothing falls
    assert driver.state == 'active' and all(has_torque(follower))
    assert [servo.setpoints[-1] for servo in follower.servos] == held
    assert bench.trigger(names.DRIVER_RELEASE).success
    bench.spin_until(lambda: not any(has_torque(follower)), 2.0)
    assert driver.set('deactivate') and driver.set('shutdown')
    assert bench.trigger(names.DRIVER_STOP).success  # finalized
    assert bench.statuses[-1].stop == DriverStatus.RELEASE


def bring_to_far(bench):
    def there():
        bench.command(FAR)
        return np.abs(bench.position - FAR)[:5].max() < 0.1

    bench.spin_until(there)


def test_a_stop_on_the_way_to_rest_holds_the_arm_and_the_driver_stays_active(
    managed, driver, bench, follower
):
    bring_to_motion(bench, driver)
    bring_to_far(bench)
    before = bench.position
    answer = driver.request('deactivate')
    bench.spin_until(lambda: np.abs(bench.position - before).max() > 0.15)
    assert bench.trigger(names.DRIVER_STOP).success
    bench.spin_until(answer.done)
    assert not answer.result().success and driver.state == 'active'
    assert all(has_torque(follower))
    assert np.abs(bench.position - REST)[:5].max() > 0.3


def test_an_arm_that_holds_is_not_dropped_by_configure_and_goes_on_when_active(
    started, driver, bench, follower
):
    first = started(managed=True)
    bring_to_motion(bench, driver)
    first.kill()
    first.wait()
    goals = [servo.setpoints[-1] for servo in follower.servos]
    started(managed=True)
    assert driver.state == 'unconfigured'
    bench.states.clear()
    assert driver.set('configure')
    bench.spin_until(lambda: bench.states)
    bench.spin_for(0.3)
    assert all(has_torque(follower))
    assert np.abs(np.array([s.setpoints[-1] for s in follower.servos]) - goals).max() <= 1
    assert not bench.torque(True).success
    assert driver.set('activate')
    bench.spin_until(lambda: bench.take_command().success)
    move(bench, np.zeros(6))


def test_a_driver_without_the_option_is_active_by_itself_and_refuses_foreign_transitions(
    started, driver, bench
):
    process = started()
    bench.spin_until(lambda: bench.states, 60.0)
    bench.spin_until(lambda: driver.state == 'active')
    assert driver.transitions == {'deactivate', 'shutdown'}
    for label, number in (('configure', 0), ('\x1b[2J' + 'x' * 10_000, 0), ('', 250), ('', 10)):
        assert not driver.set(label, number)
    assert driver.state == 'active' and bench.torque(True).success
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert 'is no transition of a node that is active' in out + err and '\x1b[2J' not in out + err
    assert 'xxxxx' * 20 not in out + err


def test_a_configure_that_fails_leaves_the_driver_unconfigured_and_can_be_repeated(
    started, driver, bench, follower
):
    follower.unplug_port()
    process = started(managed=True, port_wait=0.2)
    assert not driver.set('configure')
    assert driver.state == 'unconfigured' and process.poll() is None
    follower.plug_port()
    assert driver.set('configure') and driver.state == 'inactive'
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert 'configure failed' in out + err and 'no such port' in out + err


def test_a_managed_camera_publishes_only_while_it_is_active(bench, tmp_path):
    path = str(tmp_path / 'red.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 30, (64, 48))
    for _ in range(10):
        writer.write(np.full((48, 64, 3), (0, 0, 255), np.uint8))
    writer.release()
    values = {'camera_device': path, 'camera_width': 64, 'camera_height': 48, 'managed': 'true'}
    process = subprocess.Popen(
        [sys.executable, '-c', CAMERA, '--ros-args']
        + [word for name, value in values.items() for word in ('-p', f'{name}:={value}')],
        stderr=subprocess.PIPE,
        text=True,
    )
    images = []
    topic = names.IMAGE.format(camera=names.WRIST_CAMERA)
    bench.node.create_subscription(Image, topic, images.append, qos.SENSOR_SUB)
    camera = Lifecycle(bench.node, 'camera', bench.spin_until)
    os.rename(path, path + '.away')
    assert not camera.set('configure') and camera.state == 'unconfigured'
    os.rename(path + '.away', path)
    assert camera.set('configure')
    bench.spin_for(0.5)
    assert camera.state == 'inactive' and not images
    assert camera.set('activate')
    bench.spin_until(lambda: len(images) > 5)
    assert camera.set('deactivate')
    images.clear()
    bench.spin_for(0.5)
    assert len(images) <= 1  # one was on its way
    images.clear()
    activated_at = time.time()
    assert camera.set('activate')
    bench.spin_until(lambda: images)
    stamp = images[0].header.stamp
    assert stamp.sec + stamp.nanosec * 1e-9 > activated_at
    assert camera.set('deactivate') and camera.set('cleanup') and camera.set('shutdown')
    assert camera.state == 'finalized'
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert 'no such camera' in err
