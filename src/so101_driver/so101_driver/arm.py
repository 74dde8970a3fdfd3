"""The control thread of one arm: in each cycle it reads the servos and writes limited setpoints.

The thread owns the bus from `start()` to the end. Other threads leave commands and requests, which
it serves between two cycles. It reopens a lost port, and the arm then waits for a fresh command.
At the end the arm goes to rest, its torque goes off and the port is closed.
"""

from collections import deque
from concurrent.futures import Future
import queue
import threading
import time

import numpy as np

from so101_description.joints import JOINTS, pack
from so101_node.errors import CellError

from .bus import TRIES, Bus, PortLost
from .calibration import Calibration
from .configure import configure
from .grip import Grip
from .gripper_servo import BusGripperServo
from .servos import IDS, Servos
from .setpoint import Limits, Setpoint

SILENCE = 0.5  # s without an answer after which a servo counts as lost
PAUSES = (0.1, 0.2, 0.4, 0.8)  # s between attempts to reconnect
FUTURE = 0.05  # s that a command's stamp may be ahead of this clock
CLEAR_WAIT = 1.0  # s that a servo gets, without torque, to recover from its fault
REST_SPEED = 1.6  # rad/s of each joint on the way to rest at the end
REST_DEADLINE = 2.6  # s
UNKNOWN = np.full(len(IDS), np.nan)
# rad between a setpoint found in a servo and its joint that load and lag can explain. The gripper
# has no limit: its setpoint lies inside the object that it holds.
NEAR = np.array([0.2] * 5 + [np.inf])
ARM = slice(0, 5)  # without the gripper, which may hold an object
REST_TOLERANCE = 0.1  # rad


class Arm:
    """The arm `name`.

    publish(stamp_ns, position, velocity, load): called with each measurement, arrays (6,) in rad,
    rad/s and share of full drive, with the time of the oldest value.
    on_accepted(stamp_ns, target): called with each accepted command, (6,) rad within the limits.
    log(text): called with a line for each event.
    """

    def __init__(
        self,
        name: str,
        bus: Bus,
        calibration: Calibration,
        limits: Limits,
        *,
        rate: float,
        publish,
        on_accepted,
        log,
    ):
        self.name, self.bus, self.calibration = name, bus, calibration
        self.rate, self.limits = rate, limits
        self.servos = Servos(name, bus, calibration, log)
        self.setpoint = Setpoint(calibration, limits, rate)
        self.grip = Grip(name, BusGripperServo(self.servos), self.setpoint, log)
        self.torque_on = False
        self.lost = ''  # why the link is down; '' if it is up
        self.cycles = self.late_cycles = self.refused = self.reconnects = 0
        self.starts: deque[float] = deque(maxlen=int(5 * rate))  # of the last cycles, monotonic s
        self._restore = False  # torque on at the next fresh command
        self._publish, self._on_accepted, self._log = publish, on_accepted, log
        self._command: deque = deque(maxlen=1)  # the latest wins
        self._accepted: tuple[int, np.ndarray] | None = None  # not yet on the wire
        self._requests: queue.SimpleQueue = queue.SimpleQueue()
        self._closing, self._closed = threading.Event(), threading.Event()

    # --- for other threads -------------------------------------------------------------------
    def command(self, names, positions, stamp_ns: int) -> None:
        """Accept a joint target by name (rad) with its stamp.

        CellError, and no motion, if it is malformed or too old, or the arm cannot follow it.
        """
        try:
            target, age = pack(names, positions), (time.time_ns() - stamp_ns) * 1e-9
            if age > self.limits.command_timeout:
                made = f'stamped {age:.3f} s ago' if stamp_ns else 'without a time stamp'
                raise CellError(f'{made}, the limit is {self.limits.command_timeout} s')
            if age < -FUTURE:
                raise CellError(f'stamped {-age:.3f} s in the future; set the clocks')
            if self.lost:
                raise CellError(self.lost)
            if self.servos.faults.sentence():
                raise CellError(
                    f'{self.servos.faults.sentence()}; remove the cause, then call '
                    f'{self.name}/clear_faults'
                )
        except CellError as error:
            self.refused += 1
            raise CellError(f'{self.name}: command refused: {error}') from error
        self._command.append((target, time.monotonic() - max(age, 0.0), stamp_ns))

    def set_torque(self, on: bool) -> list[str]:
        """Switch the torque of all servos; return a line for each servo that did not obey."""
        return self._request(lambda: self._set_torque(on), 1.0)

    def clear_faults(self) -> list[str]:
        """Recover faulty servos; return a line for each that stays faulty."""
        return self._request(self._clear_faults, CLEAR_WAIT + 1.0)

    def _request(self, request, timeout: float) -> list[str]:
        if self._closed.is_set():
            return [f'{self.name}: the driver is ending']
        if self.lost:
            self._restore = False  # the request replaces the torque state before the break
            return [f'{self.name}: {self.lost}']
        answer: Future = Future()
        self._requests.put((request, answer))
        try:
            return answer.result(timeout)
        except TimeoutError:
            return [f'{self.name}: the bus did not serve the request within {timeout:.0f} s']

    def close(self) -> None:
        """Ask the thread to bring the arm to rest and end; `wait_closed` waits for that."""
        self._closing.set()

    def wait_closed(self, timeout: float) -> bool:
        """Return whether the arm is shut down (torque off, port closed) within `timeout` s."""
        return self._closed.wait(timeout)

    # --- the arm's own thread ----------------------------------------------------------------
    def start(self) -> None:
        """Check and configure the servos. An arm that holds already keeps its setpoint."""
        for line in configure(self.bus, self.calibration):
            self._log(f'{self.name}: {line}')
        self.servos.forget()
        for _ in range(10):
            if self.servos.read() and not self.servos.silent():
                break
        else:
            raise CellError(
                f'{self.bus.path}: {self.servos.silent()} of the {self.name} do not '
                'answer a sync read; check their plugs'
            )
        self.grip.read_state()
        held = self.servos.held()
        if not np.isnan(held).all():
            self._log(f'{self.name}: found holding; it keeps its pose')
            for line in self._set_torque(True, held):
                self._log(line)

    def run(self) -> None:
        """Cycle until `close()`; reconnect after each loss of the link."""
        try:
            while not self._closing.is_set():
                try:
                    self._cycle_until_closing()
                except PortLost as lost:
                    self._reconnect(lost)
        finally:
            self._shut_down()

    def _cycle_until_closing(self) -> None:
        due, behind, packet = time.monotonic(), False, None
        unsent_from = self.setpoint.position  # before `packet` was prepared
        while True:
            if packet is not None and (self._closing.is_set() or not self._requests.empty()):
                self.setpoint.position, packet = unsent_from, None
            if self._closing.is_set():
                return
            while not self._requests.empty():
                request, answer = self._requests.get()
                answer.set_result(request())
            now = time.monotonic()
            self.servos.begin_read(self._prepare(now) if packet is None else packet)
            packet = None
            if self._accepted:  # now on the wire
                self._on_accepted(*self._accepted)
                self._accepted = None
            if behind:  # the bus is busy now: use the time to publish the last cycle
                self._publish_state()
                unsent_from = self.setpoint.position
                packet = self._prepare(now + 1.0 / self.rate)
            self._finish_cycle(now)
            due += 1.0 / self.rate
            behind = due <= time.monotonic()
            if not behind:
                self._publish_state()
            due = self._sleep(due)

    def _sleep(self, due: float) -> float:
        """Wait for a deadline and return it. Missed cycles are dropped, not repeated."""
        pause = due - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        else:
            dropped = int(-pause * self.rate)
            self.late_cycles += dropped + 1
            due += dropped / self.rate
        return due

    def _prepare(self, now: float) -> bytes:
        """Apply the latest command; return the packet of this cycle, empty without torque."""
        if self._command:
            target, at, stamp = self._command.popleft()
            if self._restore:
                self._restore = False
                for line in self._set_torque(True) or [
                    f'{self.name}: fresh command received; torque on again'
                ]:
                    self._log(line)
            if self.torque_on and not self.servos.faults.sentence():
                self.setpoint.command(target, at)
                self._accepted = (stamp, self.setpoint.target)
        if not self.torque_on:
            return b''
        return self.servos.setpoint_packet(self.setpoint.advance(now, self.servos.measured()))

    def _finish_cycle(self, now: float) -> None:
        self.starts.append(now)
        self.cycles += 1
        self.servos.finish_read()
        oldest = min(self.servos.answered_at)
        if now - oldest > SILENCE:
            silent = [
                f'servo {IDS[i]} ({JOINTS[i]})'
                for i, at in enumerate(self.servos.answered_at)
                if now - at > SILENCE
            ]
            raise PortLost(
                f'{self.bus.path}: {", ".join(silent)} of the {self.name} silent for '
                f'{SILENCE} s; check plugs and power'
            )
        if self.torque_on and self.servos.faults.sentence() and not self.setpoint.holding:
            self.setpoint.hold(self.servos.measured())
        if self.torque_on:
            self.grip.update(now)

    def _publish_state(self) -> None:
        telemetry = self.servos.telemetry
        self._publish(
            min(self.servos.stamps),
            self.servos.measured(),
            telemetry.velocity * self.calibration.scale,
            telemetry.load,
        )

    # --- requests ----------------------------------------------------------------------------
    def _set_torque(self, on: bool, held=UNKNOWN) -> list[str]:
        """Switch the torque of each servo.

        When it goes on, the setpoint starts at the measured pose, or at the setpoints (6,) rad
        that the servos `held` already: no joint jumps and the gripper keeps its grip.
        """
        self._restore = False
        if on and not self.torque_on:
            try:
                if not any(self.servos.read() for _ in range(TRIES)):
                    return [f'{self.name}: torque stays off: no servo answers']
                measured = self.servos.measured()
                near = np.abs(held - measured) <= NEAR  # False where it is not a number
                self.setpoint.reset(np.where(near, held, measured), time.monotonic())
                self._command.clear()
                self.servos.write_setpoint(self.setpoint.position)
            except CellError as error:
                return [f'{self.name}: torque stays off: {error}']
        self.torque_on = on
        return self.servos.torque(on)

    def _clear_faults(self) -> list[str]:
        """Switch faulty servos off, wait until their fault bits clear, and hold again."""
        faulty = [i for i, bits in enumerate(self.servos.faults.latched) if bits]
        problems = self.servos.torque(False, faulty)
        end = time.monotonic() + CLEAR_WAIT
        while time.monotonic() < end and not self._closing.is_set():
            time.sleep(1.0 / self.rate)
            self.servos.read()
            now = time.monotonic()
            if not any(self.servos.faults.shown(i, now) for i in faulty):
                break
        problems += self.servos.faults.clear(time.monotonic())
        if self.torque_on and not self.servos.faults.sentence():
            self.setpoint.reset(self.servos.measured(), time.monotonic())
            self.servos.write_setpoint(self.setpoint.position)
            problems += self.servos.torque(True, faulty)
        return problems

    # --- a lost link -------------------------------------------------------------------------
    def _reconnect(self, lost: PortLost) -> None:
        self.lost, attempt, held = str(lost), 0, self.torque_on
        self._restore, self.torque_on = held or self._restore, False
        self._log(f'{self.name}: {lost}; trying to reconnect')
        while not self._closing.is_set():
            while not self._requests.empty():
                self._requests.get()[1].set_result([f'{self.name}: {self.lost}'])
            self.bus.close()
            self._closing.wait(PAUSES[min(attempt, len(PAUSES) - 1)])
            attempt += 1
            try:
                self.bus.open()
                restore = self._restore
                self.start()
                self._restore = restore and not self.torque_on
            except CellError as error:
                if str(error) != self.lost:
                    self._log(f'{self.name}: {error}')
                self.lost = str(error)
                continue
            self._command.clear()
            self.lost, self.reconnects = '', self.reconnects + 1
            self._log(
                f'{self.name}: reconnected'
                + ('; torque comes on with the next command' if self._restore else '')
            )
            return

    # --- the end -----------------------------------------------------------------------------
    def _shut_down(self) -> None:
        """Go to rest, switch torque off, close the port; each step runs even if another fails."""
        try:
            if self.torque_on and self.limits.rest is not None:
                self._log(self._go_to_rest())
        except Exception as error:  # the other steps must not depend on this one
            self._log(f'{self.name}: not at rest: {error}')
        try:
            problems = self.servos.torque(False)
            for line in problems or [f'{self.name}: torque off']:
                self._log(line)
        finally:
            self.bus.close()
            self._log(f'{self.name}: port closed')
            self._closed.set()

    def _go_to_rest(self) -> str:
        """Move to rest; return the log line."""
        began = due = time.monotonic()
        self.setpoint.hold(self.servos.measured())
        self.setpoint.rest()
        while True:
            now = time.monotonic()
            self.servos.begin_read()
            self._finish_cycle(now)
            self._publish_state()
            away = float(np.abs(self.servos.measured() - self.limits.rest)[ARM].max())
            if away < REST_TOLERANCE:
                return f'{self.name}: at rest after {now - began:.1f} s'
            if now - began > REST_DEADLINE:
                return (
                    f'{self.name}: {away:.2f} rad from rest after {now - began:.1f} s; '
                    'torque goes off now'
                )
            self.servos.write_setpoint(
                self.setpoint.advance(now, self.servos.measured(), REST_SPEED)
            )
            due = self._sleep(due + 1.0 / self.rate)
