"""A servo's protections: too much load or current for too long latches a fault.

As in Feetech's memory table. Load above Overload_Torque (% of the full drive) for Protection_Time
sets the overload bit and cuts the drive to Protective_Torque. Current above Protection_Current for
the overcurrent time sets the overcurrent bit and cuts the drive to zero. Torque off resets both.
"""

PROTECTION_CURRENT, PROTECTIVE_TORQUE, PROTECTION_TIME, OVERLOAD_TORQUE = 28, 34, 35, 36
OVERCURRENT_TIME = 38
TIME_UNIT = 0.01  # s
CURRENT_UNIT = 0.0065  # A
OVERCURRENT_ERROR, OVERLOAD_ERROR = 8, 32


class Protection:
    """Protections of one servo; `latched` has the error bits. Times in s of one clock."""

    def __init__(self, memory: bytearray):
        self._memory = memory
        self.latched = 0
        self._since: dict[int, float] = {}  # error bit -> time at which its limit was exceeded

    def reset(self) -> None:
        """Reset the faults, after torque or supply was switched off."""
        self.latched = 0
        self._since.clear()

    def update(self, load: float, current: float, now: float) -> None:
        """Check a load (share of the full drive) and a current (A) against the limits."""
        memory = self._memory
        most = (memory[PROTECTION_CURRENT] | memory[PROTECTION_CURRENT + 1] << 8) * CURRENT_UNIT
        for bit, over, duration in (
            (OVERLOAD_ERROR, abs(load) * 100 > memory[OVERLOAD_TORQUE], PROTECTION_TIME),
            (OVERCURRENT_ERROR, abs(current) > most, OVERCURRENT_TIME),
        ):
            if not over:
                self._since.pop(bit, None)
            elif now - self._since.setdefault(bit, now) >= memory[duration] * TIME_UNIT:
                self.latched |= bit

    def drive(self, limit: float) -> float:
        """Return the torque limit (share of the full drive) after protection."""
        if self.latched & OVERCURRENT_ERROR:
            return 0.0
        if self.latched & OVERLOAD_ERROR:
            return min(limit, self._memory[PROTECTIVE_TORQUE] / 100.0)
        return limit
