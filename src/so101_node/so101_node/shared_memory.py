"""Removes the shared memory that Fast DDS left behind when a process was killed.

Each participant has a segment, and a port at which it receives. The owner holds a lock on a file
beside each (`_el`: exclusive, `_sl`: shared), which ends with the owner. Fast DDS removes what it
meets by chance only, so /dev/shm fills with half a MB for each killed process.
"""

from collections import defaultdict
from collections.abc import Iterable
import contextlib
import fcntl
import os
from pathlib import Path
import re
import time

DIRECTORY = Path('/dev/shm')
MIN_AGE = 10.0  # s; a process that starts makes its files first, and locks them then
_NAME = re.compile(r'(?:sem\.)?(fastdds_(?:[0-9a-f]{16}|port\d{1,5}))(?:_el|_sl|_mutex)?')
_MAPPED = re.compile(r'/dev/shm/(\S+)')


def remove_shared_memory_of_the_dead() -> int:
    """Remove what no living process uses; return how many segments and ports that were.

    Files of other users and of the last seconds stay.
    """
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in DIRECTORY.glob('*fastdds_*'):
        if found := _NAME.fullmatch(path.name):
            groups[found[1]].append(path)
    candidates = {name: paths for name, paths in groups.items() if all(map(_is_old, paths))}
    if not candidates:
        return 0
    used = _mapped_names()
    return sum(
        _remove(paths)
        for paths in candidates.values()
        if used.isdisjoint(path.name for path in paths)
    )


def _is_old(path: Path) -> bool:
    """Return whether a file is of this user and not just made."""
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_uid == os.getuid() and time.time() - status.st_mtime > MIN_AGE


def _mapped_names() -> set[str]:
    """Return the names of the files in /dev/shm that a process has in its memory."""
    names = set()
    for maps in Path('/proc').glob('[0-9]*/maps'):
        with contextlib.suppress(OSError):  # of another user, or ended meanwhile
            names.update(_MAPPED.findall(maps.read_text(encoding='utf-8', errors='replace')))
    return names


def _remove(paths: Iterable[Path]) -> bool:
    """Remove the files of one segment or port, unless its owner lives."""
    with contextlib.ExitStack() as held:  # a process that starts now then takes another port
        try:
            for path in paths:
                if path.name.endswith(('_el', '_sl')):
                    lock = held.enter_context(open(path, 'rb'))
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in paths:
                path.unlink(missing_ok=True)
        except OSError:
            return False
    return True
