"""The spool: steps on the arm's disk until the learner's host has recorded them.

An SQLite file, so that a step is safe from the death of this process as soon as `append` returns.
Steps have numbers that grow by one, also over restarts. The size is bounded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import secrets
import sqlite3
import threading
import time
from typing import NamedTuple

from so101_node.durable import make_private
from so101_node.errors import CellError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS step (number INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS spool (id TEXT NOT NULL, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS stored (episode TEXT PRIMARY KEY, last INTEGER, number INTEGER);
"""
REMEDY = 'free some disk space'
REMEMBERED = 10_000  # steps, also deleted ones, that are stored only once


class Spooled(NamedTuple):
    """A step in the spool. data: the serialised message."""

    number: int
    data: bytes


class Spool:
    """The steps of one run that wait. Any thread may call it.

    path: the file. limit: bytes that may wait. CellError if the file cannot be used.
    """

    def __init__(self, path: Path, limit: int):
        self._path, self._limit = path, limit
        self._lock = threading.Lock()
        self.lost = 0  # steps that were not stored: the spool was full, or the disk
        try:
            make_private(path.parent)
            path.touch(mode=0o600)
            self._db = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=0.5
            )
            # one process at a time; a killed process leaves a complete file
            self._db.execute('PRAGMA locking_mode=EXCLUSIVE')
            self._db.execute('PRAGMA journal_mode=WAL')
            self._db.execute('PRAGMA synchronous=NORMAL')
            self._db.executescript(_SCHEMA)
            self._read()
        except (OSError, sqlite3.Error) as error:
            raise CellError(
                f'the spool {path} cannot be used: {error}; end the other process that uses it, '
                'or move the file away'
            ) from error

    def _read(self) -> None:
        row = self._db.execute('SELECT id, next FROM spool').fetchone()
        if row is None:
            row = (secrets.token_hex(8), 1)
            self._db.execute('INSERT INTO spool VALUES (?, ?)', row)
        self.id: str = row[0]  # another one if the file is deleted: its numbers begin again
        self._next: int = row[1]
        count, size, first, last = self._db.execute(
            'SELECT COUNT(*), SUM(LENGTH(data)), MIN(number), MAX(number) FROM step'
        ).fetchone()
        self._count: int = count
        self._bytes: int = size or 0
        self._next = max(self._next, (last or 0) + 1)
        self._first: int = first or self._next
        now = time.monotonic()
        self._times = dict.fromkeys(range(self._first, self._next), now)

    @property
    def first(self) -> int:
        """The number of the first step that waits; `next` if none does."""
        return self._first

    @property
    def next(self) -> int:
        """The number of the next step that is appended."""
        return self._next

    def __len__(self) -> int:
        return self._count

    def append(self, data: bytes, episode: str = '', index: int = 0) -> bool:
        """Store a step; False, and counted, if the spool is full or cannot be written.

        A step of an episode whose step of this index or a later one was stored is passed over: the
        actor repeats its last steps after a restart of this process.
        """
        with self._lock:
            if episode and self._is_stored(episode, index):
                return True
            if self._bytes + len(data) > self._limit or not self._store(data, episode, index):
                self.lost += 1
                return False
            self._times[self._next] = time.monotonic()
            self._next += 1
            self._count += 1
            self._bytes += len(data)
            return True

    def _is_stored(self, episode: str, index: int) -> bool:
        with self._reading():
            row = self._db.execute('SELECT last FROM stored WHERE episode = ?', (episode,))
            found = row.fetchone()
        return found is not None and index <= found[0]

    def _store(self, data: bytes, episode: str, index: int) -> bool:
        number = self._next
        try:
            self._db.execute('BEGIN')
            self._db.execute('INSERT INTO step VALUES (?, ?)', (number, data))
            self._db.execute('REPLACE INTO stored VALUES (?, ?, ?)', (episode, index, number))
            self._db.execute('DELETE FROM stored WHERE number < ?', (number - REMEMBERED,))
            self._db.execute('COMMIT')
        except sqlite3.Error:  # the disk is full
            self._roll_back()
            return False
        return True

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute('ROLLBACK')

    def read(self, number: int, most: int, size: int) -> list[Spooled]:
        """Return at most `most` steps from `number` on, of together about `size` bytes."""
        found, total = [], 0
        with self._lock, self._reading():
            rows = self._db.execute(
                'SELECT number, data FROM step WHERE number >= ? ORDER BY number LIMIT ?',
                (number, most),
            )
            for row in rows:
                found.append(Spooled(*row))
                total += len(row[1])
                if total >= size:
                    break
        return found

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise CellError(f'the spool {self._path} cannot be read: {error}') from error

    def stored_at(self, number: int) -> float | None:
        """Return when a step was appended, s of the monotonic clock; None: it does not wait."""
        return self._times.get(number)

    def forget(self, number: int) -> int:
        """Delete all steps up to `number`: they are recorded elsewhere. Return how many."""
        with self._lock:
            end = min(number, self._next - 1)
            if end < self._first:
                return 0
            try:
                # the next number is stored with it: after a restart none is used again
                self._db.execute('BEGIN')
                size = self._db.execute(
                    'SELECT SUM(LENGTH(data)) FROM step WHERE number <= ?', (end,)
                ).fetchone()[0]
                self._db.execute('DELETE FROM step WHERE number <= ?', (end,))
                self._db.execute('UPDATE spool SET next = ?', (self._next,))
                self._db.execute('COMMIT')
            except sqlite3.Error:  # a full disk: they stay, and are forgotten with the next ones
                self._roll_back()
                return 0
            gone: int = end + 1 - self._first
            for each in range(self._first, end + 1):
                self._times.pop(each, None)
            self._first = end + 1
            self._count -= gone
            self._bytes -= size or 0
            return gone

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
