"""A command line on a terminal of its own, for a script that types as a person does."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

COLUMNS, LINES = 100, 40
ESCAPE = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]')


class TypedCommand:
    """A command line on a terminal. `shown` is the text that a person has seen so far."""

    def __init__(self, line: str, environment: dict[str, str]):
        self.line, self.shown, self._asked = line, '', 0
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('4H', LINES, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            line.split(),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment | {'TERM': 'xterm', 'COLUMNS': str(COLUMNS), 'LINES': str(LINES)},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def read(self, wait: float) -> bool:
        """Read what arrives within `wait` s; return False at the command's end."""
        if select.select([self._master], [], [], wait)[0]:
            try:
                self.shown += os.read(self._master, 65536).decode(errors='replace')
            except OSError:
                return False
        return True

    def wait_for(self, words: str, timeout: float = 60.0) -> str:
        """Wait until `words` (a pattern) appear after the last answer; return what matched."""
        if found := self.shows(words, timeout):
            return found[1] if found.groups() else found[0]
        self.process.send_signal(signal.SIGINT)
        raise SystemExit(f'{self.line}: it did not show {words!r}:\n{self.shown}')

    def shows(self, words: str, timeout: float) -> re.Match[str] | None:
        """Return the match of `words` after the last answer; None if it does not come."""
        end = time.monotonic() + timeout
        while not (found := re.search(words, ESCAPE.sub('', self.shown[self._asked :]))):
            if not self.read(0.1) or time.monotonic() > end:
                return None
        return found

    def type(self, keys: str) -> None:
        """Type keys; later `wait_for` calls look at what comes afterwards."""
        self._asked = len(self.shown)
        os.write(self._master, keys.encode())

    def end(self, timeout: float = 60.0) -> str:
        """Wait for the end; return the command and what its terminal showed, as lines."""
        end = time.monotonic() + timeout
        while self.read(0.1) and time.monotonic() < end:
            pass
        code = self.process.wait(5.0)
        os.close(self._master)
        lines = ['']
        for piece in re.split(r'(\x1b\[1A|\r?\x1b\[2K|\n)', self.shown):
            if piece == '\n':
                lines.append('')
            elif piece == '\x1b[1A':
                lines.pop()
            elif piece.endswith('\x1b[2K'):
                lines[-1] = ''
            else:
                lines[-1] += ESCAPE.sub('', piece).replace('\r', '')
        text = '\n'.join(line.rstrip() for line in lines).rstrip()
        return f'$ {self.line}\n{text}\n' + (f'(exit code {code})\n' if code else '')
