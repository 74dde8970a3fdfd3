"""Measures the largest joint speed of the simulated arm in cases in which it could jump."""

import argparse
import contextlib
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from hilserl_tests.cell_process import own_domain
from so101_description.joint_messages import joint_state
from so101_description.joints import JOINTS, REST
from so101_interfaces.srv import TakeCommand
from so101_node import names, qos
from so101_sim import calibration_path
from so101_sim.plant import PERIOD, Plant
from so101_sim.sts3215 import MAX_POSITION, MIN_POSITION, TICKS_PER_TURN
from so101_sim.world import World

LIMIT = 2.0  # rad/s, max_speed of the driver
MARGIN = 1.1  # a measured speed may be this much above the limit
OUTSIDE = np.radians(26.0)  # rad beyond the recorded range
SPAN = 0.76  # share of shoulder_pan's range that is recorded in the case torque_on_outside
HELD, LINK_GAP, BROWN_OUT = 1.5, 0.43, 0.3  # s
PAN, ELBOW = JOINTS.index('shoulder_pan'), JOINTS.index('elbow_flex')
UP = np.array([0.0, -0.3, 0.2, 0.3, 0.0, 0.8])
STRETCHED = np.array([0.0, 0.9, -0.9, 0.0, 0.0, 0.8])  # the arm's weight loads its joints
COMMAND_PERIOD = 0.02  # s


class Bench:
    """A simulated follower in real time and the driver on its port, as a process."""

    def __init__(self, directory: str, environment: dict[str, str], span: float = 1.0):
        self._directory, self._environment = Path(directory), environment
        self._port = f'{directory}/follower'
        self._calibration = f'{directory}/follower.json'
        self.world = World()
        self._plant = Plant(self.world, {'follower': self._port, 'leader': f'{directory}/leader'})
        self.arm = self._plant.arms['follower']
        self._record(span)
        self.fastest = np.zeros(len(JOINTS))  # rad/s of each joint since the last `watch`
        self.watched = np.ones(len(JOINTS), bool)
        self._target: np.ndarray | None = None
        self._ending = threading.Event()
        self._log = open(self._directory / 'log.txt', 'a', encoding='utf-8')  # noqa: SIM115
        self.node = rclpy.create_node('bench_jump')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        topic = names.JOINT_COMMANDS.format(arm='follower')
        self._commands = self.node.create_publisher(JointState, topic, qos.COMMAND)
        self.arm.bus.start()
        self._threads = [threading.Thread(target=f) for f in (self._move, self._send)]
        for thread in self._threads:
            thread.start()

    def _record(self, span: float) -> None:
        """Write a calibration file and the servo's limits, with `span` of shoulder_pan's range."""
        table = json.loads(Path(calibration_path('follower')).read_text(encoding='utf-8'))
        entry = table[JOINTS[PAN]]
        middle = (entry['range_min'] + entry['range_max']) / 2
        half = round(span * (entry['range_max'] - entry['range_min']) / 2)
        entry['range_min'], entry['range_max'] = round(middle - half), round(middle + half)
        self.edge = half * 2 * np.pi / TICKS_PER_TURN
        memory = self.arm.servos[PAN].memory
        for address, key in ((MIN_POSITION, 'range_min'), (MAX_POSITION, 'range_max')):
            memory[address : address + 2] = entry[key].to_bytes(2, 'little')
        Path(self._calibration).write_text(json.dumps(table), encoding='utf-8')

    def _move(self) -> None:
        due = time.monotonic()
        before = self.world.joints()[0]
        while not self._ending.is_set():
            due = max(due + PERIOD, time.monotonic() - 0.05)
            time.sleep(max(0.0, due - time.monotonic()))
            self._plant.step()
            now = self.world.joints()[0]
            speed = np.abs(now - before) / PERIOD * self.watched
            self.fastest, before = np.maximum(self.fastest, speed), now

    def _send(self) -> None:
        while not self._ending.wait(COMMAND_PERIOD):
            if self._target is not None:
                message = joint_state(self._target, frame_id='follower')
                message.header.stamp = self.node.get_clock().now().to_msg()
                self._commands.publish(message)

    @property
    def q(self) -> np.ndarray:
        """True joint angles, rad."""
        return self.world.joints()[0]

    def start_driver(self) -> None:
        """Start the driver; return when it has switched the torque on."""
        words = [
            sys.executable,
            '-c',
            'from so101_driver.entry_points import driver; driver()',
            '--ros-args',
        ]
        for key, value in {
            'follower_port': self._port,
            'follower_calibration': self._calibration,
            'max_speed': LIMIT,
            'answer_timeout': 0.01,
        }.items():
            words += ['-p', f'{key}:={value}']
        self._driver = subprocess.Popen(
            words, env=self._environment, stdout=self._log, stderr=self._log
        )
        client = self.node.create_client(SetBool, names.SET_TORQUE.format(arm='follower'))
        end = time.monotonic() + 60.0
        while time.monotonic() < end:
            if client.wait_for_service(1.0):
                answer = client.call_async(SetBool.Request(data=True))
                self._executor.spin_until_future_complete(answer, 3.0)
                if answer.result() and answer.result().success:
                    return
        raise SystemExit(f'{self.log()}\nbench jump: the driver did not start')

    def _take_command(self) -> None:
        client = self.node.create_client(TakeCommand, names.TAKE_COMMAND)
        end = time.monotonic() + 20.0
        while time.monotonic() < end:
            client.wait_for_service(1.0)
            answer = client.call_async(TakeCommand.Request(node='/bench_jump'))
            self._executor.spin_until_future_complete(answer, 3.0)
            if answer.result() and answer.result().success:
                return
            time.sleep(0.1)
        raise SystemExit(f'{self.log()}\nbench jump: the driver does not obey this node')

    def kill_driver(self) -> None:
        """Kill the driver."""
        self._driver.send_signal(signal.SIGKILL)
        self._driver.wait()

    def go(self, target: np.ndarray | None) -> None:
        """Command a pose (6,) rad from now on; None: no commands."""
        if target is not None and self._target is None:
            self._take_command()
        self._target = None if target is None else target.copy()

    def reach(self, target: np.ndarray) -> None:
        """Go to a pose and wait until the arm is there."""
        self.go(target)
        end = time.monotonic() + 20.0
        while np.abs(self.q - target)[:5].max() > 0.03:
            if time.monotonic() > end:
                raise SystemExit(f'{self.log()}\nbench jump: the arm did not reach {target}')
            time.sleep(0.02)
        time.sleep(0.3)

    def watch(self) -> None:
        """Measure from now on."""
        self.fastest = np.zeros(len(JOINTS))

    def log(self) -> str:
        """Return the end of the driver's log."""
        self._log.flush()
        return (self._directory / 'log.txt').read_text(encoding='utf-8')[-3000:]

    def close(self) -> None:
        """End the driver, then the simulation."""
        self._target = None
        if self._driver.poll() is None:
            self._driver.send_signal(signal.SIGTERM)
            self._driver.wait(20.0)
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self.arm.bus.stop()
        self._executor.shutdown()
        self.node.destroy_node()
        self._log.close()


def torque_on_outside(bench: Bench) -> None:
    """Torque comes on 26 degrees outside the recorded range, then the arm is called back."""
    start = REST.copy()
    start[PAN] = bench.edge + OUTSIDE
    bench.world.place_arm(start)
    time.sleep(0.5)
    bench.watch()
    bench.start_driver()
    time.sleep(1.0)
    bench.reach(np.concatenate([[0.0], REST[1:]]))


def _turning(bench: Bench) -> None:
    """Bring the arm up and turn it; measure from now on, with the base at full speed."""
    bench.start_driver()
    bench.reach(UP)
    turned = UP.copy()
    turned[PAN], turned[ELBOW] = 1.5, -0.8
    bench.go(turned)
    while bench.q[PAN] < 0.6:
        time.sleep(0.002)
    bench.watch()


def link_gap(bench: Bench) -> None:
    """The data line breaks for 0.43 s in the middle of a motion."""
    _turning(bench)
    bench.arm.bus.connected = False
    time.sleep(LINK_GAP)
    bench.arm.bus.connected = True
    time.sleep(2.5)


def held_then_released(bench: Bench) -> None:
    """A hand holds two joints for 1.5 s in the middle of a motion."""
    _turning(bench)
    bench.world.held[[PAN, ELBOW]] = True
    time.sleep(HELD)
    bench.world.held[:] = False
    time.sleep(2.5)


def brown_out(bench: Bench) -> None:
    """The supply of two servos fails for 0.3 s in the middle of a motion."""
    _turning(bench)
    for joint in (PAN, ELBOW):
        bench.arm.servos[joint].power_cycle(False)
    time.sleep(BROWN_OUT)
    for joint in (PAN, ELBOW):
        bench.arm.servos[joint].power_cycle(True)
    time.sleep(2.5)


def restart(bench: Bench) -> None:
    """The driver is killed while the stretched arm holds its weight, and started again."""
    bench.start_driver()
    bench.reach(STRETCHED)
    bench.go(None)
    bench.watch()
    bench.kill_driver()
    time.sleep(0.5)
    bench.start_driver()
    bench.reach(STRETCHED)


CASES = (torque_on_outside, link_gap, held_then_released, brown_out, restart)


def measure(case) -> tuple[np.ndarray, str]:
    """Run one case; return the largest speed of each joint, rad/s, and the driver's log."""
    with tempfile.TemporaryDirectory() as directory, own_domain() as environment:
        os.environ |= {
            key: environment[key]
            for key in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE')
            if key in environment
        }
        rclpy.init()
        with contextlib.ExitStack() as stack:
            stack.callback(rclpy.shutdown)
            bench = Bench(directory, environment, SPAN if case is torque_on_outside else 1.0)
            stack.callback(bench.close)
            case(bench)
            return bench.fastest.copy(), bench.log()


def main() -> None:
    """Run all cases, print a table and one JSON line; exit 1 if a joint is too fast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--log', action='store_true', help="print the driver's log of each case")
    parser.add_argument('cases', nargs='*', help='only these cases')
    options = parser.parse_args()
    known = {case.__name__: case for case in CASES}
    unknown = set(options.cases) - set(known)
    if unknown:
        parser.error(f'unknown case {", ".join(sorted(unknown))}; cases: {", ".join(known)}')
    result = {}
    table = Table(title=f'largest measured joint speed at max_speed {LIMIT} rad/s')
    for heading in ('case', 'joint', 'rad/s'):
        table.add_column(heading, justify='right' if heading == 'rad/s' else 'left')
    for name in track(options.cases or list(known), 'cases'):
        speeds, log = measure(known[name])
        if options.log:
            print(log)
        result[name] = round(float(speeds.max()), 3)
        table.add_row(name, JOINTS[int(speeds.argmax())], f'{speeds.max():.2f}')
    Console().print(table)
    print(f'load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
    print(json.dumps(result | {'limit': LIMIT}))
    sys.exit(max(result.values()) > MARGIN * LIMIT)


if __name__ == '__main__':
    main()
