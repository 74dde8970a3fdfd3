"""The arm after the driver process was killed, orphaned or interrupted twice.

The emulated bus belongs to the test process, so it outlives every driver, as a real arm does.
"""

import random
import signal
import subprocess
import sys
import time

from driver_support.driver_process import START, start
from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import wait_for
import numpy as np
import pytest

from so101_description.joints import JOINTS
from so101_sim import calibration_path

pytestmark = pytest.mark.graph

JUMP = 1  # ticks that a setpoint may change from one driver to the next: rounding
KILLS = 3


@pytest.fixture
def start_follower():
    started = []

    def start_one(arm):
        started.append(
            start(
                follower_port=arm.port,
                answer_timeout=0.04,
                follower_calibration=calibration_path('follower'),
            )
        )
        return started[-1]

    yield start_one
    for process in started:  # after a failed test
        kill(process)


def kill(process):
    process.kill()
    process.communicate()


def wait_for_states(bench, process):
    bench.states.clear()
    bench.spin_until(lambda: bench.states or process.poll() is not None)
    assert process.poll() is None


def test_a_killed_driver_leaves_the_arm_holding_and_the_next_one_continues(
    tmp_path, bench, start_follower
):
    chance = random.Random(3)
    with EmulatedArm(tmp_path / 'port') as arm:
        arm.hold = {6}  # an object blocks the jaw
        process = start_follower(arm)
        wait_for_states(bench, process)
        assert bench.torque(True).success
        bench.spin_until(lambda: bench.take_command().success)

        def grips():
            bench.command([0.0] * 5 + [0.5])
            return arm.servos[5].torque_limit == 0.2  # long enough to lower the torque

        bench.spin_until(grips)
        for servo in arm.servos:
            servo.switched.clear()
        worn = [servo.eeprom_writes for servo in arm.servos]
        for kills in range(KILLS):
            target = [chance.uniform(-1.0, 1.0) for _ in JOINTS[:5]] + [0.5]
            before = bench.position
            end = time.monotonic() + chance.uniform(0.1, 0.5)

            def on_its_way():
                bench.command(target)
                return time.monotonic() > end and np.abs(bench.position - before)[:5].max() > 0.05

            bench.spin_until(on_its_way)
            kill(process)
            assert all(servo.torque_on for servo in arm.servos)
            if kills == 0:
                starting = start_follower(arm)  # another driver, killed while it starts
                time.sleep(chance.uniform(0.3, 0.8))
                kill(starting)
            setpoints = [servo.setpoints[-1] for servo in arm.servos]
            for servo in arm.servos:
                servo.setpoints.clear()
            process = start_follower(arm)
            wait_for_states(bench, process)
            bench.spin_until(lambda: bench.take_command().success)
            wait_for(lambda: all(len(servo.setpoints) > 20 for servo in arm.servos), 10.0)
            for joint, servo, setpoint in zip(JOINTS, arm.servos, setpoints):
                assert np.abs(np.array(servo.setpoints) - setpoint).max() <= JUMP, joint
                assert 0 not in servo.switched, f'the torque of {joint} was off'
        assert [servo.eeprom_writes for servo in arm.servos] == worn
        assert arm.servos[5].goal < arm.servos[5].sensed.position - 50  # still in its grip
        assert arm.servos[5].torque_limit == 0.2 and not arm.servos[5].error
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert 'follower: found holding' in out + err and 'follower: torque off' in out + err


def test_a_driver_whose_launcher_dies_leaves_the_arm_at_rest(tmp_path, bench):
    launcher = 'import subprocess, sys; subprocess.run([sys.executable, "-c", *sys.argv[1:]])'
    with EmulatedArm(tmp_path / 'port') as arm:
        process = subprocess.Popen(
            [
                sys.executable,
                '-c',
                launcher,
                START,
                '--ros-args',
                '-p',
                f'follower_port:={arm.port}',
                '-p',
                'answer_timeout:=0.04',
                '-p',
                f'follower_calibration:={calibration_path("follower")}',
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_for_states(bench, process)
            assert bench.torque(True).success
        finally:
            process.kill()
        output = process.stdout.read()  # until the driver ends
        process.wait()
        assert not any(servo.torque_on for servo in arm.servos) and not arm.is_open()
    for words in ('the launcher is gone', 'rest after', 'torque off', 'port closed'):
        assert words in output


def test_after_a_second_ctrl_c_the_arm_still_goes_to_rest(tmp_path, bench, start_follower):
    with EmulatedArm(tmp_path / 'port') as arm:
        process = start_follower(arm)
        wait_for_states(bench, process)
        assert bench.torque(True).success
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert not any(servo.torque_on for servo in arm.servos) and not arm.is_open()
    assert process.returncode == 0 and 'Traceback' not in out + err
    assert 'rest after' in out + err  # at rest, or its distance from rest on a busy machine
