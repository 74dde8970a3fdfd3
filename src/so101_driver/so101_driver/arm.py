"""One arm: its bus, its tick map and the thread that reads, limits and writes at a steady rate.

The thread owns the bus from `start()` to the end; everybody else leaves a command or a request
and is served between two cycles. An arm that is told to end goes to rest, lets go and closes.
"""
from collections import deque
from concurrent.futures import Future
import queue
import threading
import time

import numpy as np

from so101_description.errors import CellError
from so101_description.joints import JOINTS, SERVO_IDS, pack

from . import servo
from .bus import Bus
from .calibration import Calibration
from .configure import configure
from .goal import Goal

IDS = tuple(SERVO_IDS[name] for name in JOINTS)
SILENCE = 2.0            # s without an answer after which a servo is given up
REST_SPEED = 1.6         # rad/s, each joint on the way to rest
REST_DEADLINE = 2.6      # s
LIFT = JOINTS.index('shoulder_lift')
ARM = slice(0, 5)           # without the gripper, which may hold something
REST_TOLERANCE = 0.1     # rad


class Arm:
    """The arm `name`. `publish(stamp_ns, position, velocity, load)` gets arrays (6,): rad, rad/s,
    share of full drive; `log(text)` gets a line for each thing worth telling."""

    def __init__(self, name: str, bus: Bus, calibration: Calibration, *, rate: float,
                 max_speed: float, command_timeout: float, locked: np.ndarray,
                 rest: np.ndarray | None, publish, log):
        self.name, self.bus, self.calibration = name, bus, calibration
        self.rate, self.rest = rate, rest
        self.goal = Goal(calibration, max_speed / rate, command_timeout, locked)
        self.torque_on = False
        self.cycles = self.late_cycles = self.refused = 0
        self.missed = np.zeros(len(IDS), np.int64)    # answers that did not come, a servo
        self.errors = [0] * len(IDS)                  # last error byte
        self.starts = deque(maxlen=int(5 * rate))     # monotonic s of the last cycles
        self._data = [b''] * len(IDS)
        self._answered_at = [0.0] * len(IDS)
        self._publish, self._log = publish, log
        self._command: deque = deque(maxlen=1)        # the latest wins
        self._requests: queue.SimpleQueue = queue.SimpleQueue()
        self._closing, self._closed = threading.Event(), threading.Event()

    # --- for other threads -------------------------------------------------------------------
    def command(self, names, positions) -> None:
        """Take a joint target by name (rad); CellError, and no motion, if it is not one."""
        try:
            self._command.append((pack(names, positions), time.monotonic()))
        except CellError as error:
            self.refused += 1
            raise CellError(f'{self.name}: command refused: {error}') from error

    def set_torque(self, on: bool) -> list[str]:
        """Switch all servos; what went wrong, a line a servo (none: all obeyed)."""
        if self._closed.is_set():
            return [f'{self.name}: the driver is ending']
        answer: Future = Future()
        self._requests.put((on, answer))
        try:
            return answer.result(timeout=1.0)
        except TimeoutError:
            return [f'{self.name}: the bus did not get to it within 1 s']

    def close(self) -> None:
        """Ask the thread to leave the arm at rest; `wait_closed` tells when it has."""
        self._closing.set()

    def wait_closed(self, timeout: float) -> bool:
        """Whether rest, torque off and port are done within the time."""
        return self._closed.wait(timeout)

    @property
    def telemetry(self) -> servo.Telemetry:
        """The last answer of each servo."""
        data = np.frombuffer(b''.join(self._data), np.uint8)
        return servo.Telemetry(data.reshape(len(IDS), servo.BLOCK_LENGTH))

    def ages(self) -> list[float]:
        """Seconds since each servo's last answer."""
        now = time.monotonic()
        return [now - at for at in self._answered_at]

    # --- the arm's own thread ----------------------------------------------------------------
    def start(self) -> None:
        """Check and set up the servos; an arm that already holds goes on holding."""
        for line in configure(self.bus, self.calibration):
            self._log(f'{self.name}: {line}')
        self._answered_at = [time.monotonic()] * len(IDS)
        for _ in range(10):
            self._read()
            if all(self._data):
                break
        else:
            silent = ', '.join(j for j, data in zip(JOINTS, self._data) if not data)
            raise CellError(f'{self.bus.path}: {silent} of the {self.name} do not answer a '
                            'sync read; check their plugs')
        if any(self.bus.read(number, servo.TORQUE_ENABLE, 1)[1][0] for number in IDS):
            self._log(f'{self.name}: found holding; it goes on holding where it is')
            for line in self._set_torque(True):
                self._log(line)

    def run(self) -> None:
        """Cycle until `close()`; CellError when the port or a servo is gone for good."""
        healthy = False
        try:
            self._cycle_until_closing()
            healthy = True
        finally:
            self._leave(healthy)

    def _cycle_until_closing(self) -> None:
        due = time.monotonic()
        while not self._closing.is_set():
            while not self._requests.empty():
                on, answer = self._requests.get()
                answer.set_result(self._set_torque(on))
            now = self._read_and_publish()
            if self._command:
                target, at = self._command.popleft()
                if self.torque_on:
                    self.goal.command(target, at)
            self._write_goal(now)
            due = self._sleep(due)

    def _sleep(self, due: float) -> float:
        """Wait for the next of the absolute deadlines; what is past is dropped, not made up."""
        due += 1.0 / self.rate
        pause = due - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        else:
            dropped = int(-pause * self.rate)
            self.late_cycles += dropped + 1
            due += dropped / self.rate
        return due

    def _read(self) -> bool:
        """One sync read; servos that did not answer keep their last values."""
        answers = self.bus.sync_read(servo.BLOCK, servo.BLOCK_LENGTH)
        now = time.monotonic()
        for i, number in enumerate(IDS):
            if number in answers:
                self.errors[i], self._data[i] = answers[number]
                self._answered_at[i] = now
            else:
                self.missed[i] += 1
        return bool(answers)

    def _measured(self, telemetry: servo.Telemetry) -> np.ndarray:
        return self.calibration.to_rad(telemetry.position)

    def _read_and_publish(self) -> float:
        now = time.monotonic()
        self.starts.append(now)
        self.cycles += 1
        stamp = time.time_ns()
        if self._read():
            telemetry = self.telemetry
            self._publish(stamp, self._measured(telemetry),
                          telemetry.velocity * self.calibration.scale, telemetry.load)
        elif now - max(self._answered_at) > SILENCE:
            raise CellError(f'{self.bus.path}: no servo of the {self.name} has answered for '
                            f'{SILENCE:.0f} s; check its power and cable')
        for i, at in enumerate(self._answered_at):
            if now - at > SILENCE:
                raise CellError(
                    f'{self.bus.path}: servo {IDS[i]} ({JOINTS[i]}) of the {self.name} has not '
                    f'answered for {SILENCE:.0f} s; check its plug')
        return now

    def _write_goal(self, now: float, max_step=None) -> None:
        if self.torque_on:
            angles = self.goal.advance(now, max_step)
            self.bus.sync_write(
                servo.GOAL_POSITION, self.calibration.to_ticks(angles).tolist())

    def _set_torque(self, on: bool) -> list[str]:
        """Each servo for itself; going on starts from where the arm is, so that nothing jumps."""
        if on and not self.torque_on:
            try:
                if not self._read():
                    return [f'{self.name}: torque stays off: no servo answers']
                self.goal.reset(self._measured(self.telemetry))
                self._command.clear()
                self.torque_on = True
                self._write_goal(time.monotonic())
            except CellError as error:
                self.torque_on = False
                return [f'{self.name}: torque stays off: {error}']
        self.torque_on = on
        problems = {}
        for joint, number in zip(JOINTS, IDS):
            try:
                self.bus.write(number, servo.TORQUE_ENABLE, 1, int(on))
                error, data = self.bus.read(number, servo.TORQUE_ENABLE, 1)
                if data[0] != on:
                    faults = ', '.join(servo.error_names(error)) or 'no fault shown'
                    problems[joint] = f'refused ({faults})'
            except CellError as error:
                problems[joint] = str(error)
        return [f'{self.name}: {joint}: torque {"on" if on else "off"}: {text}'
                for joint, text in problems.items()]

    # --- the end -----------------------------------------------------------------------------
    def _leave(self, healthy: bool) -> None:
        """Rest, torque off, port closed: each tried whatever became of the one before."""
        try:
            if healthy and self.torque_on and self.rest is not None:
                self._log(self._go_to_rest())
        except Exception as error:  # the remaining steps must not depend on this one
            self._log(f'{self.name}: not at rest: {error}')
        try:
            problems = self._set_torque(False)
            for line in problems or [f'{self.name}: torque off']:
                self._log(line)
        finally:
            self.bus.close()
            self._log(f'{self.name}: port closed')
            self._closed.set()

    def _go_to_rest(self) -> str:
        """The shoulder lifts first: all at once, a low arm is pushed against the table. The
        gripper stays as it is. Returns what to report."""
        target = np.where(np.array(JOINTS) == 'gripper', self.goal.position, self.rest)
        lifted = np.where(np.arange(len(JOINTS)) == LIFT, target, self.goal.position)
        way = abs(target[LIFT] - self.goal.position[LIFT])
        began = due = time.monotonic()
        while True:
            now = self._read_and_publish()
            low = abs(target[LIFT] - self.goal.position[LIFT]) > 0.5 * way
            self.goal.command(lifted if low else target, now)
            away = float(np.abs(self._measured(self.telemetry) - target)[ARM].max())
            if away < REST_TOLERANCE:
                return f'{self.name}: at rest after {now - began:.1f} s'
            if now - began > REST_DEADLINE:
                return (f'{self.name}: {away:.2f} rad from rest after {now - began:.1f} s; '
                        'letting go all the same')
            self._write_goal(now, REST_SPEED / self.rate)
            due = self._sleep(due)
