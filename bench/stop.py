"""Measures emergency stops by the operator's key: time to the last command and to standstill."""

import argparse
from collections import deque
import contextlib
import fcntl
import json
import os
from pathlib import Path
import pty
import random
import signal
import statistics
import subprocess
import tempfile
import termios
import threading
import time

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sensor_msgs.msg import JointState

from hilserl_actor.bringup import arguments
from hilserl_actor.bringup.planner import make_plan
from hilserl_actor.bringup.supervisor import command_line
from hilserl_tests.cell_process import own_domain
from hilserl_tests.starts import busy_loops
from so101_description.joints import JOINTS
from so101_interfaces.msg import ActorStatus, DriverStatus
from so101_node import names, qos

# the learner never waits: its updates take all the time that the machine has left
FULL_LOAD = ['update_ratio:=64']
MOVING = 0.1  # rad that a joint moved within the last 0.2 s
WINDOW = 1.2  # s after the key that are looked at
STILL = 0.01  # rad from the final pose (6 ticks): standstill
MOVED = 0.02  # rad of motion after AFTER that counts as a motion against the stop
AFTER = 0.5  # s
SLOW = 0.15  # s to standstill
IN_EPISODE = ('POLICY', 'HUMAN')


def take_terminal() -> None:
    """Make the pty on stdin the controlling terminal of this new session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Cell:
    """The nodes of `./cell train` as processes without a supervisor, and what they publish."""

    def __init__(self, runs: str, environment: dict[str, str], words: list[str]):
        plan = make_plan(
            arguments.parse('train', [f'runs_dir:={runs}', 'operator.screen:=plain', *words])
        )
        plan.run_dir.mkdir(parents=True)
        self._environment = environment | plan.environment
        self._log = open(Path(runs) / 'log.txt', 'w', encoding='utf-8')  # noqa: SIM115
        self._keys, self._terminal = pty.openpty()
        self._commands = {s.executable: command_line(s, plan.namespace) for s in plan.nodes}
        self._pressed_at = 0.0  # monotonic s
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # Ctrl-C ends the bench
        self.node = rclpy.create_node('bench')
        self.states: deque[tuple[int, list[float]]] = deque(maxlen=3000)
        self.commands: deque[int] = deque(maxlen=3000)  # when they were published, ns
        self.driver, self.actor = DriverStatus(), ActorStatus()
        for kind, topic, profile, receive in (
            (JointState, names.JOINT_STATES, qos.SENSOR_PUB, self._on_state),
            (JointState, names.JOINT_TARGETS, qos.COMMAND, self._on_command),
            (JointState, names.JOINT_COMMANDS, qos.COMMAND, self._on_command),
            (DriverStatus, names.DRIVER_STATUS, qos.STATUS, self._on_driver),
            (ActorStatus, names.ACTOR_STATUS, qos.STATUS, self._on_actor),
        ):
            self.node.create_subscription(kind, topic.format(arm='follower'), receive, profile)
        executor = SingleThreadedExecutor()
        executor.add_node(self.node)
        threading.Thread(target=executor.spin, daemon=True).start()

    def _on_state(self, message, info) -> None:
        stamp = message.header.stamp
        self.states.append((stamp.sec * 10**9 + stamp.nanosec, list(message.position)))

    def _on_command(self, message, info) -> None:
        self.commands.append(info['source_timestamp'])

    def _on_driver(self, message) -> None:
        self.driver = message

    def _on_actor(self, message) -> None:
        self.actor = message

    def replace(self, node: str, program: list[str]) -> None:
        """Let this program be the node; it gets the node's arguments."""
        self._commands[node][:1] = program

    def start(self, *nodes: str) -> None:
        """Start these nodes; without names, all."""
        for name in nodes or self._commands:
            self.processes[name] = subprocess.Popen(
                self._commands[name],
                env=self._environment,
                stdin=self._terminal if name == 'operator' else subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
                preexec_fn=take_terminal if name == 'operator' else None,
            )

    def press(self, key: str) -> int:
        """Press a key of the operator; return when, ns."""
        at = time.time_ns()
        os.write(self._keys, key.encode())
        return at

    def wait(self, condition, what: str, timeout: float = 240.0) -> None:
        """Wait until `condition` holds."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                self._log.flush()
                log = Path(self._log.name).read_text(encoding='utf-8')[-2000:]
                raise SystemExit(f'{log}\nbench stop: not within {timeout:.0f} s: {what}')
            time.sleep(0.005)

    def is_moving(self) -> bool:
        """Whether a joint moves, in an episode."""
        recent = [q for _, q in list(self.states)[-20:]]
        return (
            len(recent) == 20
            and self.actor.mode in IN_EPISODE
            and float(np.ptp(recent, axis=0).max()) > MOVING
        )

    def is_moving_again(self) -> bool:
        """The same; key c ends a stop that an actor notices late because it was stopped itself."""
        if self.actor.mode == 'ESTOP' and time.monotonic() > self._pressed_at + 1.0:
            self._pressed_at = time.monotonic()
            self.press('c')
        return self.is_moving()

    def close(self) -> None:
        """End all nodes."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            process.wait(20.0)


def one_stop(cell: Cell, actor: str) -> dict[str, float]:
    """Stop the arm in motion once; return what was measured. A lost or slow one is printed."""
    cell.wait(cell.is_moving_again, 'motion in an episode')
    time.sleep(random.uniform(0.0, 0.3))
    process = cell.processes['actor']
    if actor == 'stopped':
        process.send_signal(signal.SIGSTOP)
    elif actor == 'dead':
        process.kill()
    if actor != 'running':
        time.sleep(random.uniform(0.0, 0.1))
    pressed = cell.press('x')
    time.sleep(WINDOW)
    end = pressed + int(WINDOW * 1e9)
    cell.wait(lambda: cell.states[-1][0] > end, 'joint states after the stop')
    lost = cell.driver.stop != DriverStatus.HOLD
    rows = [(at, q) for at, q in list(cell.states) if at >= pressed - 30_000_000]
    at = (np.array([row[0] for row in rows]) - pressed) * 1e-9
    q = np.array([row[1] for row in rows])
    final = np.median(q[at > WINDOW - 0.3], axis=0)
    away = np.abs(q - final).max(axis=1)
    late = [(t - pressed) * 1e-9 for t in list(cell.commands) if t > pressed]
    start = q[np.searchsorted(at, 0.0, 'right') - 1]
    moved = np.abs(q[at > AFTER] - final).max() > MOVED or max(late, default=0.0) > AFTER
    result = {
        'lost': lost,
        'moved_after': bool(moved),
        'to_last_command': max(late, default=0.0),
        'to_standstill': max(0.0, float(at[away > STILL].max(initial=0.0))),
        'travel': float(np.abs(q[at >= 0] - start).max()),
    }
    if actor == 'stopped':
        process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        result['moved_after'] |= float(np.abs(np.array(cell.states[-1][1]) - final).max()) > MOVED
    elif actor == 'dead':
        process.wait()
        cell.start('actor')
    cell.wait(
        lambda: (
            cell.press('c')
            and not time.sleep(0.3)
            and cell.driver.stop == DriverStatus.RUNNING
            and cell.actor.mode != 'ESTOP'
        ),
        'the end of the stop',
    )
    if result['lost'] or result['moved_after'] or result['to_standstill'] > SLOW:
        print(f'{json.dumps(result)}; {trace(at, q, np.array(cell.states[-1][1]))}', flush=True)
    return result


def trace(at: np.ndarray, q: np.ndarray, last: np.ndarray) -> str:
    """Return the joint that moved most, late, with its angles. at: (N,) s; q: (N, 6) rad."""
    joint = int(np.ptp(np.vstack((q[at > SLOW], last)), axis=0).argmax())
    angles = [round(float(angle), 3) for angle in q[::5, joint]]
    return (
        f'{JOINTS[joint]} from {at[0]:.2f} s on, each 5th: {angles}, at the end {last[joint]:.3f}'
    )


def main() -> None:
    """Run, measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--stops', type=int, default=200, help='number of stops')
    parser.add_argument(
        '--actor',
        choices=('running', 'stopped', 'dead'),
        default='running',
        help='the actor at the moment of the key: running, stopped (SIGSTOP) or dead (SIGKILL)',
    )
    parser.add_argument('--load', type=int, default=0, help='additional busy processes')
    options = parser.parse_args()
    random.seed(0)
    with (
        tempfile.TemporaryDirectory() as runs,
        own_domain() as environment,
        busy_loops(options.load),
    ):
        cell, rows = Cell(runs, environment, FULL_LOAD), []
        try:
            with contextlib.suppress(KeyboardInterrupt):  # the figures of the stops so far
                cell.start()
                for _ in track(range(options.stops), 'stops'):
                    rows.append(one_stop(cell, options.actor))
        finally:
            cell.close()
    if not rows:
        raise SystemExit('bench stop: interrupted before the first stop')
    table = Table(title=f'emergency stops by key x, actor {options.actor}')
    for heading in ('figure', 'median', 'p99', 'most'):
        table.add_column(heading, justify='left' if heading == 'figure' else 'right')
    figures = {}
    for key, scale, unit in (
        ('to_last_command', 1e3, 'ms'),
        ('to_standstill', 1e3, 'ms'),
        ('travel', 1.0, 'rad'),
    ):
        values = [row[key] * scale for row in rows]
        p99 = float(np.percentile(values, 99))
        figures[f'{key}_{unit}_p99'] = round(p99, 3 if unit == 'rad' else 1)
        shown = (statistics.median(values), p99, max(values))
        table.add_row(f'{key}, {unit}', *(f'{value:.3g}' for value in shown))
    Console().print(table)
    print(f'load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
    counts = {key: sum(bool(row[key]) for row in rows) for key in ('lost', 'moved_after')}
    print(json.dumps({'stops': len(rows), **counts, **figures}))


if __name__ == '__main__':
    main()
