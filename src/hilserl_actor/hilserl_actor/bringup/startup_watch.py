"""Notices a node that hangs while it starts.

Fast DDS can deadlock when several processes start at once on a loaded machine: the node's
constructor never returns, and no signal reaches it. A node that starts slowly uses the processor,
waits for it, or gives a sign (`so101_node/sign_of_life.py`); a node that hangs does none of these.
"""

import os
from pathlib import Path
import time

from so101_node.sign_of_life import PASSED, READY, VARIABLE

LIMIT = 30.0  # s without a sign
# share of a processor's time, used or waited for, that is a sign, too; an idle participant of DDS
# uses less
WORK = 0.03


class StartupWatch:
    """Watches one process from its start until its constructor has returned.

    The process is started with `environment` and the descriptor `child_end`; then `started` is
    called.
    """

    def __init__(self) -> None:
        self._end, self.child_end = os.pipe()
        os.set_blocking(self._end, False)
        self.environment = {VARIABLE: str(self.child_end)}
        self.ready = False  # its constructor has returned
        self.passed = False  # it told that the cell has passed its checks
        self._pid, self._sign_at, self._work = 0, time.monotonic(), 0.0

    def started(self, pid: int) -> None:
        """Take note of the process."""
        os.close(self.child_end)
        self._pid = pid

    def hangs(self) -> bool:
        """Return whether the process gave no sign for LIMIT s. Call it regularly."""
        if self.ready:
            return False
        now, work = time.monotonic(), _processor_time(self._pid) + _queue_time(self._pid)
        if self._signs() or work - self._work > WORK * LIMIT:
            self._sign_at, self._work = now, work
        return not self.ready and now - self._sign_at > LIMIT

    def has_started(self) -> bool:
        """Return whether the constructor has returned."""
        self._signs()
        return self.ready

    def has_passed(self) -> bool:
        """Return whether the node told that the cell has passed its checks."""
        self._signs()
        return self.passed

    def _signs(self) -> bytes:
        """Read the signs that have come."""
        try:
            signs = os.read(self._end, 64)
        except BlockingIOError:
            return b''
        self.ready |= READY in signs
        self.passed |= PASSED in signs
        return signs

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._end)


def _queue_time(pid: int) -> float:
    """Return the time for which the main thread was ready to run and had no processor, s.

    On a busy computer it grows while a node starts. The main thread of a node that hangs waits for
    a lock. 0 if the kernel does not count it.
    """
    try:
        return int(Path(f'/proc/{pid}/schedstat').read_text(encoding='ascii').split()[1]) * 1e-9
    except (OSError, IndexError):
        return 0.0


def _processor_time(pid: int) -> float:
    """Return the processor time that a process has used, s; 0 if it has ended."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(')')[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
