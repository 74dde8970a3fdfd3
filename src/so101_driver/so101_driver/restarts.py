"""Notices servos that restarted, and restores their limits before they get torque.

A supply that fails for a moment restarts a servo. It then has no torque, its full drive and no
speed limit, and the next goal would switch its torque on and let it snap back. Its ACCELERATION,
which only the driver sets to 254, shows the restart.
"""

from collections.abc import Callable
import struct

import numpy as np

from so101_description.joints import JOINTS
from so101_node.errors import CellError

from . import servo
from .bus import PortLost
from .configure import MAX_ACCELERATION, goal_velocity
from .servos import IDS, Servos
from .setpoint import Setpoint
from .torque import Torque

GAP = 0.1  # s without an answer after which the arm continues at the speed of alignment
NEAR = 0.1  # rad, as a stop moves the setpoint
PERIOD = 0.08  # s between two checks of all servos
BLOCK = servo.TORQUE_ENABLE
SHORT = servo.GOAL_TIME - BLOCK  # bytes with ACCELERATION and GOAL_POSITION
LONG = servo.TORQUE_LIMIT + 2 - BLOCK  # bytes with all that a restart resets


class Restarts:
    """The restarts of the servos of one arm since the start: `counts`."""

    def __init__(
        self,
        servos: Servos,
        setpoint: Setpoint,
        torque: Torque,
        log: Callable[[str], object],
    ):
        self.counts = [0] * len(IDS)
        self._servos, self._setpoint, self._torque, self._log = servos, setpoint, torque, log
        self._due = 0.0
        self._restoring: set[int] = set()  # restarted, and their limits not seen restored

    def due(self, now: float) -> bool:
        """Return whether `check` has something to do. now: as there."""
        return now >= self._due or bool(self._servos.suspects)

    def check(self, now: float) -> bool:
        """Restore the servos that restarted, and continue with those that were silent.

        Return whether there were any: goals that were made before are out of date. PortLost if
        the port is gone. now: monotonic s, the time of the last read.
        """
        servos, changed = self._servos, False
        answered = any(servos.answered_at[i] >= now for i in servos.suspects)
        if now < self._due and not answered:
            return False
        self._due = now + PERIOD
        answers = servos.bus.sync_read(BLOCK, LONG if self._restoring else SHORT)
        for i, number in enumerate(IDS):
            if number not in answers:
                continue
            table = answers[number][1]
            if table[servo.ACCELERATION - BLOCK] != MAX_ACCELERATION:
                self._restore(i)
            elif i in self._restoring:
                if len(table) == LONG and table[SHORT:] == self._wanted(i):
                    self._continue(i)
                    changed = True
                else:
                    self._restore(i)
            elif i in servos.suspects:
                changed |= self._resume(i, now, table)
                del servos.suspects[i]
        return changed

    def _wanted(self, i: int) -> bytes:
        """Return the registers GOAL_TIME, GOAL_VELOCITY and TORQUE_LIMIT of a servo."""
        speed = goal_velocity(self._servos.calibration, i, self._setpoint.limits.max_speed)
        return struct.pack('<3H', 0, speed, self._servos.torque_limits[i])

    def _restore(self, i: int) -> None:
        """Write the limits of a servo without waiting; the next check sees whether it has them."""
        bus, number = self._servos.bus, IDS[i]
        self._servos.suspect(i)
        self._restoring.add(i)
        bus.write_block(number, servo.GOAL_TIME, self._wanted(i))
        bus.write_block(number, servo.ACCELERATION, bytes((MAX_ACCELERATION,)))

    def _resume(self, i: int, now: float, table: bytes) -> bool:
        """Continue with a silent servo where it holds: it may have missed goals.

        A goal that this driver cannot have sent is of another servo or another program.
        """
        servos, setpoint = self._servos, self._setpoint
        silent = now - servos.suspects[i]
        if silent <= GAP or not table[0]:
            return False
        ticks = servo.to_position(table[2:4])
        held = servos.calibration.to_rad(np.full(len(IDS), ticks))
        missed = setpoint.limits.max_speed * silent + NEAR
        if abs(held[i] - setpoint.position[i]) <= missed:
            setpoint.resume(i, held)
        else:
            setpoint.restart(i, servos.measured())
        return True

    def _continue(self, i: int) -> None:
        """Hold the joint of a restarted servo where it is; a goal switches its torque on."""
        servos = self._servos
        self._restoring.discard(i)
        servos.suspects.pop(i, None)
        self._setpoint.restart(i, servos.measured())
        self.counts[i] += 1
        self._log(
            f'{servos.name}: {JOINTS[i]} restarted, its supply failed for a moment '
            f'({servos.telemetry.voltage[i]:.1f} V now); its limits are restored and it comes '
            'back slowly; check the supply, the plugs and the cable'
        )
        if not self._torque.on:
            return
        try:
            servos.widen(self._setpoint.position)
        except PortLost:
            raise
        except CellError as error:
            self._log(f'{servos.name}: {error}')
        servos.write_setpoint(self._setpoint.position)
