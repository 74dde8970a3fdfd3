"""The control thread of one arm: in each cycle it reads the servos and writes limited setpoints.

The thread owns the bus from `start()` to the end. Other threads leave commands and requests, which
it serves between two cycles. It reopens a lost port, and the arm then waits for a fresh command.
At the end the arm goes to rest, its torque goes off and the port is closed.
"""

from collections import deque
from collections.abc import Callable, Sequence
import threading
import time

import numpy as np

from so101_description.joints import JOINTS, Floats
from so101_node.errors import CellError

from .bus import Bus, PortLost
from .calibration import Calibration
from .command import Command, read_command
from .configure import configure
from .cycle import Cycle, Publish
from .grip import Grip
from .gripper_servo import BusGripperServo
from .missing import silent_in_sync_read
from .pauses import LIMIT, Pauses
from .requests import Request, Requests
from .rest import REST_DEADLINE, end_motion, release
from .restarts import Restarts
from .servos import SILENCE, Servos
from .setpoint import Limits, Setpoint
from .stop import StopLatch
from .stopped_arm import StoppedArm
from .torque import CLEAR_WAIT, Torque

PAUSES = (0.1, 0.2, 0.4, 0.8)  # s between attempts to reconnect
STOP_TIME = 0.5  # s within which a stop must be in force
INACTIVE = 'the driver is inactive; activate it first: ros2 lifecycle set DRIVER activate'


class Arm:
    """The arm `name`.

    publish(stamp_ns, position, velocity, load): called with each measurement, arrays (6,) in rad,
    rad/s and share of full drive, with the time of the oldest value.
    on_accepted(stamp_ns, target): called with each accepted command, (6,) rad within the limits.
    stop: the stop that the arm obeys.
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
        stop: StopLatch,
        publish: Publish,
        on_accepted: Callable[[int, Floats], None],
        log: Callable[[str], object],
    ):
        self.name, self.bus, self.calibration, self.limits = name, bus, calibration, limits
        self.servos = Servos(name, bus, calibration, log, SILENCE * limits.patience)
        self.setpoint = Setpoint(calibration, limits, rate)
        self.setpoint.silent = self.servos.suspects
        self.torque = Torque(name, self.servos, self.setpoint)
        self.grip = Grip(name, BusGripperServo(self.servos), self.setpoint, log)
        self.cycle = Cycle(
            self.servos,
            self.setpoint,
            self.torque,
            self.grip,
            Restarts(self.servos, self.setpoint, self.torque, log),
            rate=rate,
            publish=publish,
            log=log,
        )
        self.active = True  # takes commands and torque; else it keeps still
        self.lost = ''  # why the link is down; '' if it is up
        self.refused = self.reconnects = 0
        self.linked_at = time.monotonic()  # of the last connection
        self._on_accepted, self._log, self._stop = on_accepted, log, stop
        self._command: deque[Command] = deque(maxlen=1)  # the latest wins
        self._accepted: Command | None = None  # not yet on the wire
        self._requests = Requests()
        self._pauses = Pauses(LIMIT * limits.patience)
        self._closing, self._closed = threading.Event(), threading.Event()
        self._stopped = StoppedArm(stop, self.servos, self.setpoint, self.torque)
        self._interrupted = threading.Event()  # by a stop or the end

    # --- for other threads -------------------------------------------------------------------
    def command(self, names: Sequence[str], positions: Sequence[float], stamp_ns: int) -> None:
        """Accept a joint target by name (rad) with its stamp.

        CellError, and no motion, if it is malformed or too old, or the arm cannot follow it.
        """
        try:
            timeout = self.limits.command_timeout
            command = read_command(names, positions, stamp_ns, timeout)
            if self._stop:
                raise CellError(self._stop.sentence)
            if not self.active:
                raise CellError(INACTIVE)
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
        self._command.append(command)

    def set_torque(self, on: bool) -> list[str]:
        """Switch the torque of all servos; return a line for each servo that did not obey."""
        return self._request(lambda: self._set_torque(on), 1.0)

    def activate(self) -> list[str]:
        """Take commands and torque again; return a line for each problem.

        The torque stays as it is. The first motion is as slow as an alignment.
        """
        problems = [] if self.active else self._request(self._stopped.end, STOP_TIME)
        self.active = not problems
        return problems

    def deactivate(self) -> list[str]:
        """Go to rest, switch torque off and take neither commands nor torque.

        Return a line for each problem; then the arm is as active as before.
        """
        before, self.active = self.active, False
        problems = self._request(self._release, REST_DEADLINE + 2.0)
        self.active = before and bool(problems)
        return problems

    def enforce_stop(self) -> list[str]:
        """Bring the stop in force to the servos; return a line for what is not in force."""
        self._interrupted.set()
        return self._request(self._stopped.enforce, STOP_TIME)

    def end_stop(self) -> list[str]:
        """Hold as before the next command, after the stop was cleared."""
        if not self._closing.is_set():
            self._interrupted.clear()
        return self._request(self._stopped.end, STOP_TIME)

    def clear_faults(self) -> list[str]:
        """Recover faulty servos; return a line for each that stays faulty."""
        if self._stop:
            return [f'{self.name}: faults stay: {self._stop.sentence}']
        period = 1.0 / self.cycle.rate
        return self._request(
            lambda: self.torque.clear_faults(self._interrupted, period), CLEAR_WAIT + 1.0
        )

    def _request(self, request: Request, timeout: float) -> list[str]:
        if self._closed.is_set():
            return [f'{self.name}: the driver is ending']
        if self.lost:
            self.torque.restore = False  # the request replaces the torque state before the break
            return [f'{self.name}: {self.lost}']
        timeout *= self.limits.patience
        try:
            return self._requests.call(request, timeout)
        except TimeoutError:
            return [f'{self.name}: the bus did not serve the request within {timeout:.0f} s']

    def close(self) -> None:
        """Ask the thread to bring the arm to rest and end; `wait_closed` waits for that."""
        self._closing.set()
        self._interrupted.set()

    def wait_closed(self, timeout: float) -> bool:
        """Return whether the arm is shut down (torque off, port closed) within `timeout` s."""
        return self._closed.wait(timeout)

    # --- the arm's own thread ----------------------------------------------------------------
    def start(self) -> None:
        """Check and configure the servos. An arm that holds already keeps its setpoint."""
        for line in configure(self.bus, self.calibration, self.limits.max_speed):
            self._log(f'{self.name}: {line}')
        self.servos.forget()
        for _ in range(10):
            if self.servos.read() and not self.servos.silent():
                break
        else:
            raise silent_in_sync_read(self.bus, self.name, self.servos.silent())
        for _ in range(2):  # a wrong first angle is corrected by two others
            self.servos.read()
        self.servos.read_voltage_limits()
        self.servos.read_torque_limits()
        self.grip.read_state()
        held = self.servos.held()
        limp = [joint for joint, angle in zip(JOINTS, held) if np.isnan(angle)]
        if len(limp) == len(JOINTS):
            return
        if limp and self.limits.rest is not None:
            self.torque.partly = True
            self._stay_limp(f'no torque in {", ".join(limp)}: the supply failed there')
        else:
            self._log(f'{self.name}: found holding; it keeps its pose')
            if self._stop or not self.active:
                self.torque.adopt(held)
            else:
                for line in self._set_torque(True):
                    self._log(line)
        if self._stop:
            self._stopped.enforce()

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
        """Cycle until `close()`.

        Late cycles are hurried: the packet of the next cycle is made while the bus is busy and
        sent as soon as it is free, before the last answers are used. It is dropped, and the
        answers are used first, if a check is due or something came up.
        """
        period = 1.0 / self.cycle.rate
        due, late, packet = time.monotonic(), False, None
        unsent_from = self.setpoint.position  # before `packet` was made
        self._pauses.restart()
        while True:
            paused = self._pauses.check()
            if packet is not None and (
                paused or self._interrupted_now() or self.cycle.check_due()
            ):
                self.setpoint.position, packet = unsent_from, None
                self._use_answers()
            if packet is None:
                if paused:
                    self._end_pause(paused)
                if self._closing.is_set():
                    return
                self._requests.serve()
            now, hurried = time.monotonic(), packet is not None
            self.servos.begin_read(self._prepare(now) if packet is None else packet)
            packet = None
            if self._accepted:  # now on the wire
                self._on_accepted(self._accepted.stamp_ns, self._accepted.target)
                self._accepted = None
            if hurried:
                self.cycle.digest()
            if late:
                self.cycle.publish()
                if not (self._stop or self.torque.restore):  # they may need the bus
                    unsent_from = self.setpoint.position
                    packet = self._prepare(now + period)
            self.cycle.collect(now)
            due += period
            late = due <= time.monotonic()
            if packet is not None and not late:
                self.setpoint.position, packet = unsent_from, None
            if packet is None:
                self._use_answers()
            if not late:
                self.cycle.publish()
            due = self.cycle.sleep(due)

    def _interrupted_now(self) -> bool:
        return self._closing.is_set() or bool(self._stop) or self._requests.waiting()

    def _use_answers(self) -> None:
        self.cycle.digest()
        if self.cycle.check():
            self._command.clear()  # from before a restart

    def _end_pause(self, seconds: float) -> None:
        """Stay at the last setpoint; commands from before this moment are not executed."""
        self.setpoint.drop_command()
        self._accepted = None
        for i in range(len(JOINTS)):
            self.servos.suspect(i)  # it may have restarted meanwhile
        self.servos.read()  # the joints may be elsewhere now
        if self._pauses.must_tell():
            self._log(
                f'{self.name}: the driver did not run for {seconds:.1f} s; it ignores the '
                'commands that were made before'
            )

    def _prepare(self, now: float) -> bytes:
        """Apply the latest command; return the packet of this cycle, empty without torque."""
        if self._stop or not self.active:
            self._command.clear()
            return self._stopped.packet(now)
        command = self._command.popleft() if self._command else None
        if command and command.at < self._pauses.ended_at:
            self.refused += 1
            command = None
        if command:
            if self.torque.restore:
                for line in self._set_torque(True) or [
                    f'{self.name}: fresh command received; torque on again'
                ]:
                    self._log(line)
            if self.torque.on and not self.servos.faults.sentence():
                self.setpoint.command(command.target, command.at)
                self._accepted = command._replace(target=self.setpoint.target)
        if not self.torque.on:
            return b''
        return self.servos.setpoint_packet(self.setpoint.advance(now, self.servos.measured()))

    def _set_torque(self, on: bool) -> list[str]:
        if on and self._stop:
            return [f'{self.name}: torque stays as it is: {self._stop.sentence}']
        if on and not self.active:
            return [f'{self.name}: torque stays as it is: {INACTIVE}']
        if on and (supply := self.servos.faults.supply):
            return [f'{self.name}: torque stays off: {supply}; call {self.name}/clear_faults']
        was_on = self.torque.on
        problems = self.torque.switch(on)
        if self.torque.on and not was_on:
            self._command.clear()
        return problems

    def _release(self) -> list[str]:
        if self.active:
            return []  # whoever asked for it waits no longer
        self._command.clear()
        self.torque.restore = False
        try:
            return release(
                self.name, self.cycle, self.torque, self._stop, self.limits.rest, self._log
            )
        finally:
            self._pauses.restart()

    # --- a lost link -------------------------------------------------------------------------
    def _reconnect(self, lost: PortLost) -> None:
        self.lost, attempt = str(lost), 0
        self.torque.suspend()
        self._log(f'{self.name}: {lost}; trying to reconnect')
        while not self._closing.is_set():
            self._requests.refuse(f'{self.name}: {self.lost}')
            self.bus.close()
            self._closing.wait(PAUSES[min(attempt, len(PAUSES) - 1)])
            attempt += 1
            try:
                self.bus.open()
                restore = self.torque.restore
                self.start()
                self.torque.restore = restore and not self.torque.holding
            except CellError as error:
                if str(error) != self.lost:
                    self._log(f'{self.name}: {error}')
                self.lost = str(error)
                continue
            self._command.clear()
            self.lost, self.reconnects = '', self.reconnects + 1
            self.linked_at = time.monotonic()
            if self.torque.restore and self.limits.rest is not None:
                self._stay_limp('its supply failed and it is limp')
            self._log(
                f'{self.name}: reconnected'
                + ('; torque comes on with the next command' if self.torque.restore else '')
            )
            return

    def _stay_limp(self, why: str) -> None:
        """Wait for a person: joints have sunk without their supply, and a hand may be there.

        A leader need not wait: a hand holds it as a rule, and its torque is the mode's.
        """
        self.torque.restore = False
        self.servos.faults.supply = why
        self._log(
            f'{self.name}: {why}, until {self.name}/clear_faults is called (key e): take your '
            'hands away first'
        )

    # --- the end -----------------------------------------------------------------------------
    def _shut_down(self) -> None:
        """End the motion and close the port, even if a step fails."""
        try:
            end_motion(
                self.name,
                self.cycle,
                self.torque,
                self._stopped,
                self._stop,
                self.limits.rest,
                self._log,
            )
        finally:
            self.bus.close()
            self._log(f'{self.name}: port closed')
            self._closed.set()
            self._requests.refuse(f'{self.name}: the driver is ending')
