"""Starts of the cell on a busy computer: busy loops beside it, no real-time rights, how it ended.

`./cell bench start` runs them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import ctypes
from dataclasses import dataclass
import os
import resource
import signal
import statistics
import subprocess
import sys

from so101_node.errors import CellError

TOO_SLOW = 'close other programs'  # in the sentence of a cell that refuses a busy computer
LAST = 12  # lines of a failed start that are told
# A busy loop ends with its parent, however that ends.
BUSY = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(10**6):
        pass
"""
REAL_TIME = 'import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))'
_DROP_FROM_BOUNDING_SET, _CAP_SYS_NICE = 24, 23  # linux/prctl.h, linux/capability.h


@contextmanager
def busy_loops(number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run `number` processes that only compute, with the priority of this process."""
    loops = [
        subprocess.Popen(
            [sys.executable, '-c', BUSY],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(number)
    ]
    try:
        yield loops
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


def deny_real_time() -> None:
    """Take the right to real-time priority from every process that this one starts from now on.

    Raises CellError if they still have it.
    """
    # root has the right by a capability, others by a resource limit
    ctypes.CDLL(None).prctl(_DROP_FROM_BOUNDING_SET, _CAP_SYS_NICE, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    tried = subprocess.run([sys.executable, '-c', REAL_TIME], capture_output=True)
    if tried.returncode == 0:
        raise CellError('real-time rights cannot be taken away here; start this as another user')


@dataclass(frozen=True)
class Start:
    """How one start of the cell ended. code: None if it did not end in time."""

    code: int | None
    lines: Sequence[str]  # what it printed
    first_step_s: float | None  # from the command to the first step of the policy
    missed_percent: float | None  # of the ticks of the control loop

    @property
    def ended(self) -> bool:
        """Whether it made steps and ended with 0."""
        return self.code == 0 and self.first_step_s is not None

    @property
    def refused(self) -> bool:
        """Whether it failed with the sentence on a computer that is too busy."""
        failed = self.code not in (0, None)
        return failed and any(TOO_SLOW in line for line in self.lines)

    @property
    def failed(self) -> bool:
        """Whether it did neither."""
        return not self.ended and not self.refused

    def told(self) -> str:
        """Return in words how it ended; for a failed start, with its last lines."""
        if self.ended:
            return f'ended with 0; first step after {self.first_step_s:.1f} s'
        if self.refused:
            return f'refused: {next(line for line in self.lines if TOO_SLOW in line)}'
        how = {None: 'did not end in time', 0: 'ended with 0, but made no step'}.get(
            self.code, f'ended with {self.code}'
        )
        return '\n'.join([f'failed: {how}; its last lines:', *self.lines[-LAST:]])


def missed_percent(missed: int, seconds: float, rate: float) -> float:
    """Return the share of missed ticks in percent. seconds: how long the loop ran; rate: Hz."""
    return 100.0 * missed / max(1.0, seconds * rate)


def summary(starts: Sequence[Start], busy: int, unprivileged: bool) -> dict[str, float | None]:
    """Return the figures of all starts; None where no start has one."""
    first = [start.first_step_s for start in starts if start.first_step_s is not None]
    missed = [start.missed_percent for start in starts if start.missed_percent is not None]
    return {
        'starts': len(starts),
        'busy': busy,
        'ended_0': sum(start.ended for start in starts),
        'refused_with_sentence': sum(start.refused for start in starts),
        'failed': sum(start.failed for start in starts),
        'first_step_s_median': round(statistics.median(first), 1) if first else None,
        'first_step_s_max': round(max(first), 1) if first else None,
        'missed_ticks_percent_median': round(statistics.median(missed), 2) if missed else None,
        'unprivileged': unprivileged,
    }


def end(process: subprocess.Popen[str], patience: float) -> None:
    """End a process that still runs: Ctrl-C, and SIGKILL after `patience` s."""
    process.send_signal(signal.SIGINT)  # nothing happens if it has ended
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def load() -> str:
    """Return the load of this computer in words."""
    return f'load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors'
