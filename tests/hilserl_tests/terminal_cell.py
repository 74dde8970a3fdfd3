"""A cell on a terminal of its own, which a test can close."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time


class TerminalCell:
    """A `./cell ...` process that leads the session of a pseudo-terminal. `text`: its output."""

    def __init__(self, words: list[str], environment: dict[str, str]):
        self._outer, inner = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'so101_node.verb', *words],
            env=environment,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(inner)
        self.text = ''
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        os.set_blocking(self._outer, False)
        while not self._closing.wait(0.02):
            try:
                piece = os.read(self._outer, 65536)
            except BlockingIOError:
                continue
            except OSError:
                return  # the cell has ended
            self.text += piece.decode(errors='replace')

    def type(self, keys: bytes) -> None:
        """Type keys at the terminal."""
        os.write(self._outer, keys)

    def wait_for_end(self) -> None:
        """Wait until all that an ended cell has shown is in `text`."""
        self._reader.join(5.0)

    def close(self) -> None:
        """Close the terminal's window: the kernel sends SIGHUP, and later writes fail."""
        self._closing.set()
        self._reader.join()
        os.close(self._outer)

    def wait_for(self, text: str, timeout: float) -> None:
        """Wait until the terminal has shown a text."""
        deadline = time.monotonic() + timeout
        while text not in self.text:
            assert self.process.poll() is None, self.text[-2000:]
            assert time.monotonic() < deadline, self.text[-2000:]
            time.sleep(0.05)

    def end(self) -> None:
        """End the cell, after a failed test too."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30.0)
