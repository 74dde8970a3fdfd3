"""Opens the ports of a driver's arms: waits for them and checks that each has its own arm."""

from collections.abc import Callable, Mapping
import contextlib
import os
import threading
import time

from so101_node.errors import CellError

from .adapter import fit
from .arm import Arm
from .bus import Bus, NoAnswer, PortLost
from .calibration import Calibration
from .identity import check_identity, describe_arm
from .options import DriverOptions
from .serial_port import absent_port, is_pseudo_terminal
from .servos import IDS
from .supply import check_supply
from .unfinished import end_mark

RETRY_PERIOD = 0.5  # s between two attempts to reach silent servos
TELL_PERIOD = 5.0  # s between two lines while the driver waits for a port


class Opening:
    """Opens the `ports` by arm.

    make_arm(name, bus, calibration): returns an arm that has not started. closing: set when the
    driver ends. log, warn: called with lines.
    """

    def __init__(
        self,
        options: DriverOptions,
        ports: Mapping[str, str],
        make_arm: Callable[[str, Bus, Calibration], Arm],
        closing: threading.Event,
        log: Callable[[str], object],
        warn: Callable[[str], object],
    ):
        self._options, self._ports, self._make_arm = options, ports, make_arm
        self._closing, self._log, self._warn = closing, log, warn
        self._deadline = 0.0  # monotonic s

    def open(self, calibrations: dict[str, Calibration]) -> dict[str, Arm]:
        """Return the started arms by name; none if the driver ends meanwhile.

        Ports have `port_wait` to appear, and servos to answer. CellError if they do not, or if an
        arm is not the one of its port.
        """
        self._deadline = time.monotonic() + self._options.port_wait
        for arm, port in self._ports.items():
            if not self._wait_for_port(port):
                if self._closing.is_set():
                    return {}
                raise CellError(
                    f'{arm}_port: {absent_port(port)}' + self._present_arm(arm, calibrations)
                )
            if self._options.patience > 1.0 and not is_pseudo_terminal(os.stat(port).st_rdev):
                raise CellError(
                    f'{arm}_port: {port} is of a real arm, whose time limits stay as they are; '
                    'leave patience out'
                )
        return self._start_arms(calibrations)

    def _start_arms(self, calibrations: dict[str, Calibration]) -> dict[str, Arm]:
        told, timeout = '', self._options.answer_timeout * self._options.patience
        while True:
            buses = {}
            try:
                for arm, port in self._ports.items():
                    buses[arm] = Bus(port, IDS, timeout)
                    for line in fit(buses[arm]):
                        self._log(f'{arm}: {line}')
                check_identity(buses, calibrations)
                for arm, bus in buses.items():
                    if volts := getattr(self._options, f'{arm}_voltage'):
                        check_supply(arm, bus, volts)
                arms = {
                    arm: self._make_arm(arm, bus, calibrations[arm]) for arm, bus in buses.items()
                }
                for arm, each in arms.items():
                    each.start()
                    if line := end_mark(calibrations[arm].path, arm):
                        self._warn(line)
                return arms
            except CellError as error:
                for bus in buses.values():
                    bus.close()
                silent = isinstance(error, NoAnswer | PortLost)
                if not silent or time.monotonic() > self._deadline:
                    raise
                if str(error) != told:
                    told = str(error)
                    self._log(f'{told} (tried again until port_wait is over)')
            if self._closing.wait(RETRY_PERIOD):
                return {}

    def _wait_for_port(self, port: str) -> bool:
        told_at = time.monotonic()
        while not os.path.exists(port):
            if time.monotonic() - told_at > TELL_PERIOD:
                told_at = time.monotonic()
                left = self._deadline - told_at
                limit = f', for {left:.0f} s more (port_wait)' if left < 3600.0 else ''
                self._log(f'waiting for {port} to appear{limit}')
            if time.monotonic() > self._deadline or self._closing.wait(0.05):
                return False
        return True

    def _present_arm(self, absent: str, calibrations: dict[str, Calibration]) -> str:
        """Return the part of the error sentence about the port that exists."""
        for arm, port in self._ports.items():
            if arm != absent and os.path.exists(port):
                with contextlib.closing(Bus(port, IDS)) as bus:
                    return '; ' + describe_arm(bus, calibrations)
        return ''
