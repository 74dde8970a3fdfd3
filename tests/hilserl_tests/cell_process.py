"""Runs a cell as a user starts it, as a process in its own ROS domain."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import pty
import signal
import subprocess
import sys
import termios
import threading
import time

from domain_coordinator import domain_id

ROS = ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE')
_started: list['CellProcess'] = []  # in the domains that are open


class CellProcess:
    """A `./cell ...` process whose output lines are kept.

    It ends with its domain, so a failed test leaves no process. terminal: whether it has a
    terminal that `type` writes keys to. program: what gets the words. shown: print each line.
    """

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        terminal: bool = False,
        program: Sequence[str] = (sys.executable, '-m', 'so101_node.verb'),
        shown: bool = True,
    ):
        self.started = time.monotonic()
        self._shown = shown
        self._keys, keys = pty.openpty() if terminal else (-1, subprocess.DEVNULL)
        self.process = subprocess.Popen(
            [*program, *words],
            env=environment,
            stdin=keys,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=terminal,
            preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if terminal else None,
        )
        if terminal:
            os.close(keys)
        _started.append(self)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip())
            if self._shown:
                print(f'{time.monotonic() - self.started:6.1f} {line}', end='', flush=True)

    def type(self, keys: str) -> None:
        """Type keys at its terminal."""
        os.write(self._keys, keys.encode())

    def wait(self, timeout: float) -> int:
        """Return the exit code; fails if the process does not end in time."""
        code = self.process.wait(timeout)
        self._reader.join(5.0)
        return code

    def interrupt(self) -> float:
        """Send Ctrl-C; return how long the cell took to end, s."""
        since = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(15.0)
        return time.monotonic() - since

    def wait_for(self, text: str, timeout: float) -> str:
        """Return the first output line with `text`."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if text in line:
                    return line
            assert self.process.poll() is None, f'the cell ended before it printed {text!r}'
            time.sleep(0.05)
        raise AssertionError(f'the cell did not print {text!r} within {timeout} s')

    @property
    def text(self) -> str:
        """Everything it printed."""
        return '\n'.join(self.lines)


@contextmanager
def own_domain() -> Iterator[dict[str, str]]:
    """Reserve a ROS domain; yield the environment, which this process has until the end."""
    outside = {name: os.environ.get(name) for name in ROS}
    with domain_id() as number:
        os.environ['ROS_DOMAIN_ID'] = str(number)
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        before = len(_started)
        try:
            yield dict(os.environ)
        finally:
            while len(_started) > before:
                cell = _started.pop()
                if cell.process.poll() is None:
                    cell.interrupt()
            for name, value in outside.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def processes_with(text: str) -> list[str]:
    """Return the command lines of running processes that contain `text`."""
    found = []
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / 'cmdline').read_bytes().replace(b'\0', b' ').decode()
            except OSError:
                continue
            if text in line:
                found.append(line.strip())
    return found
