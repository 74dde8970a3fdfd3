"""A joint command to one arm, with the checks that need no arm: its joints, angles and stamp."""

from collections.abc import Sequence
import time
from typing import NamedTuple

from so101_description.joints import Floats, pack
from so101_node.errors import CellError

FUTURE = 0.05  # s that a command's stamp may be ahead of this clock


class Command(NamedTuple):
    """A joint target and the time at which it was made."""

    target: Floats  # (6,) rad
    at: float  # monotonic s
    stamp_ns: int


def read_command(
    names: Sequence[str], positions: Sequence[float], stamp_ns: int, timeout: float
) -> Command:
    """Return the command with joint angles by name, rad, and its stamp.

    CellError if it is malformed, older than `timeout` s, or from the future.
    """
    target, age = pack(names, positions), (time.time_ns() - stamp_ns) * 1e-9
    if age > timeout:
        made = f'stamped {age:.3f} s ago' if stamp_ns else 'without a time stamp'
        raise CellError(f'{made}, the limit is {timeout} s')
    if age < -FUTURE:
        raise CellError(f'stamped {-age:.3f} s in the future; set the clocks')
    return Command(target, time.monotonic() - max(age, 0.0), stamp_ns)
