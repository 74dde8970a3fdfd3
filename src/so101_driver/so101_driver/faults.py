"""Which faults the servos of one arm show and which of them still stand, with hysteresis.

A bit that comes and goes at a threshold is one fault: it counts after `RISE` answers in a row and
is gone after `FALL` s without it. A fault that counted stands until it is cleared, except the
gripper's overload: holding something hard is its work, and the grip is loosened instead.
"""

from so101_description.joints import JOINTS

from .servo import ERROR_BITS, error_names

RISE = 3  # answers in a row
FALL = 0.5  # s
BITS = 8
GRIPPER = JOINTS.index('gripper')
OVERLOAD = next(bit for bit, name in ERROR_BITS.items() if name == 'overload')


class Faults:
    """Error bytes of the servos in the order of JOINTS; times in s of one monotonic clock."""

    def __init__(self):
        self.latched = [0] * len(JOINTS)
        self.count = [0] * len(JOINTS)  # faults that were latched, a servo
        self.grip_overloaded = False  # right now, after hysteresis
        self._rows = [[0] * BITS for _ in JOINTS]  # answers in a row with the bit
        self._seen = [[-FALL] * BITS for _ in JOINTS]
        self._quiet = [True] * len(JOINTS)  # nothing of the below to do

    def update(self, joint: int, error: int, now: float) -> tuple[str, ...]:
        """Take the error byte of one answer; names of the faults that are latched by it."""
        if not error and self._quiet[joint]:
            return ()
        fresh, rows = 0, self._rows[joint]
        for i in range(BITS):
            if not error & 1 << i:
                rows[i] = 0
                continue
            self._seen[joint][i] = now
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
        return names(fresh)

    def shown(self, joint: int, now: float) -> int:
        """Bits of `joint` seen within the last FALL s."""
        return sum(1 << i for i, at in enumerate(self._seen[joint]) if now - at < FALL)

    def clear(self, now: float) -> list[str]:
        """Give up what is latched where the bits are gone; a line for each joint that stays."""
        lines = []
        for i, joint in enumerate(JOINTS):
            self.latched[i] &= self.shown(i, now)
            if self.latched[i]:
                lines.append(f'{joint}: still {", ".join(names(self.latched[i]))}')
        return lines

    def sentence(self) -> str:
        """What is latched, by joint; '' if nothing is."""
        return '; '.join(
            f'{", ".join(names(bits))} of {joint}'
            for joint, bits in zip(JOINTS, self.latched)
            if bits
        )


def names(error: int) -> tuple[str, ...]:
    """Fault names of an error byte; bits without a name are shown as numbers."""
    unnamed = error & ~sum(ERROR_BITS)
    return error_names(error) + ((f'error bits {unnamed:#04x}',) if unnamed else ())
