"""Latches the faults that the servos of one arm report, with hysteresis.

A bit that flickers at a threshold is one fault: it counts after `RISE` answers in a row and ends
after `FALL` s without the bit. A counted fault is latched until it is cleared. The gripper's
overload is not latched: the grip is loosened instead, because holding an object is its task.
"""

from so101_description.joints import JOINTS

from .servo import ERROR_BITS, VOLTAGE_ERROR, error_names

RISE = 3  # answers in a row
FALL = 0.5  # s
BITS = 8
GRIPPER = JOINTS.index('gripper')
OVERLOAD = next(bit for bit, name in ERROR_BITS.items() if name == 'overload')
VOLTAGE = ERROR_BITS[VOLTAGE_ERROR]


class Faults:
    """Error bytes of the servos in the order of JOINTS; times in s of one monotonic clock."""

    def __init__(self) -> None:
        self.latched = [0] * len(JOINTS)
        self.count = [0] * len(JOINTS)  # latched faults of each servo
        self.voltage = [''] * len(JOINTS)  # value and limits at the last voltage error
        self.supply = ''  # a sentence after the supply of the whole arm failed; latched, too
        self.grip_overloaded = False  # now, after hysteresis
        self._rows = [[0] * BITS for _ in JOINTS]  # consecutive answers with the bit
        self._last_at = [[-FALL] * BITS for _ in JOINTS]  # time of the last answer with the bit
        self._quiet = [True] * len(JOINTS)  # without error bits; `update` has nothing to do

    def update(self, joint: int, error: int, now: float) -> tuple[str, ...]:
        """Process the error byte of one answer; return the names of newly latched faults."""
        if not error and self._quiet[joint]:
            return ()
        fresh, rows = 0, self._rows[joint]
        for i in range(BITS):
            if not error & 1 << i:
                rows[i] = 0
                continue
            self._last_at[joint][i] = now
            rows[i] += 1
            if rows[i] >= RISE:
                fresh |= 1 << i
        if joint == GRIPPER:
            self.grip_overloaded = bool(
                fresh & OVERLOAD or (self.grip_overloaded and self.shown(joint, now) & OVERLOAD)
            )
            fresh &= ~OVERLOAD
        fresh &= ~self.latched[joint]
        self.latched[joint] |= fresh
        self.count[joint] += bool(fresh)
        self._quiet[joint] = not error and not (joint == GRIPPER and self.grip_overloaded)
        return self.names(joint, fresh)

    def names(self, joint: int, error: int) -> tuple[str, ...]:
        """Return the fault names of an error byte of `joint`; of `voltage` with the value."""
        value = f' ({self.voltage[joint]})' if self.voltage[joint] else ''
        return tuple(name + value if name == VOLTAGE else name for name in names(error))

    def shown(self, joint: int, now: float) -> int:
        """Return the bits that `joint` reported within the last FALL s."""
        return sum(1 << i for i, at in enumerate(self._last_at[joint]) if now - at < FALL)

    def clear(self, now: float) -> list[str]:
        """Unlatch faults whose bits are gone; return a line for each joint that stays faulty."""
        self.supply = ''
        lines = []
        for i, joint in enumerate(JOINTS):
            self.latched[i] &= self.shown(i, now)
            if self.latched[i]:
                lines.append(f'{joint}: still {", ".join(self.names(i, self.latched[i]))}')
        return lines

    def sentence(self) -> str:
        """Return the latched faults, by joint; '' if there are none."""
        if not (self.supply or any(self.latched)):
            return ''  # the usual case, quickly
        of_joints = [
            f'{", ".join(self.names(i, self.latched[i]))} of {joint}'
            for i, joint in enumerate(JOINTS)
            if self.latched[i]
        ]
        return '; '.join(filter(None, [self.supply, *of_joints]))


def names(error: int) -> tuple[str, ...]:
    """Return the fault names of an error byte; bits without a name appear as numbers."""
    unnamed = error & ~sum(ERROR_BITS)
    return error_names(error) + ((f'error bits {unnamed:#04x}',) if unnamed else ())
