"""A verb of `./cell` on a pseudo-terminal."""

import os
import pty
import select
import subprocess
import sys
import time


class Terminal:
    """`./cell VERB WORD ...` on a terminal; `text` is what it has shown since the last `enter`."""

    def __init__(self, verb, *words, cwd=None):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'so101_node.verb', verb, *map(str, words)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**os.environ, 'TERM': 'xterm', 'COLUMNS': '100', 'LINES': '40'},
        )
        os.close(slave)
        self.text = ''

    def read_until(self, words, timeout=10.0):
        end = time.monotonic() + timeout
        while words not in self.text:
            assert time.monotonic() < end, self.text
            if not self.read(0.1):
                assert words in self.text, self.text

    def read(self, wait):
        """Read what arrives within `wait` s; return False at the program's end."""
        if select.select([self.master], [], [], wait)[0]:
            try:
                self.text += os.read(self.master, 10000).decode(errors='replace')
            except OSError:
                return False
        return True

    def enter(self, answer=''):
        self.text = ''
        os.write(self.master, answer.encode() + b'\n')

    def send(self, keys):
        os.write(self.master, keys)
