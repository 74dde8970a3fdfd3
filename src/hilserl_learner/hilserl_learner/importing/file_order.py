"""Lets rosbags read the messages of a bag in the order in which they were written.

rosbags sorts them by the time of recording. Where the clock was set back during the recording,
that mixes two moments. Only the order in the file tells them apart.
"""

from collections.abc import Collection, Generator
from typing import Any

from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection
from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

Item = tuple[Connection, int, bytes]  # topic, time of recording (ns), message


class _Mcap(McapReader):
    def messages(
        self, connections: Collection[Connection], start: int | None = None,
        stop: int | None = None,
    ) -> Generator[Item, None, None]:  # fmt: skip
        """Yield the messages that were recorded from `start` to before `stop` (ns)."""
        return self.messages_scan(connections, start, stop)


class _Sqlite(Sqlite3Reader):
    def messages(
        self, connections: Collection[Connection], start: int | None = None,
        stop: int | None = None,
    ) -> Generator[Item, None, None]:  # fmt: skip
        """Yield the messages that were recorded from `start` to before `stop` (ns)."""
        assert self.dbconn  # open
        by_id = {each.id: each for each in connections}
        rows: Any = self.dbconn.execute(
            'SELECT topic_id, timestamp, data FROM messages WHERE timestamp >= ? '
            'AND timestamp < ? ORDER BY id',
            (start or 0, (1 << 63) - 1 if stop is None else stop),
        )
        for number, recorded, data in rows:
            if number in by_id:
                yield by_id[number], recorded, data


def keep_file_order(reader: AnyReader) -> None:
    """Make a reader that is not open yet read in the order of the file."""
    for each in reader.readers:
        storage: Any = getattr(each, 'storage', None)
        storage.STORAGE_PLUGINS = {'mcap': _Mcap, 'sqlite3': _Sqlite}
