"""What killed nodes left in /dev/shm is removed; what living nodes use stays."""

import os
from pathlib import Path
import re
import subprocess
import sys
import time

from so101_node.shared_memory import DIRECTORY, remove_shared_memory_of_the_dead

TINY = [sys.executable, str(Path(__file__).with_name('tiny_node.py'))]


def start():
    process = subprocess.Popen(TINY, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith('alive')
    return process


def files_of(process) -> set[Path]:
    """The shared memory of a living process, with the lock files beside it."""
    maps = Path(f'/proc/{process.pid}/maps').read_text()
    stems = set(re.findall(r'/dev/shm/(fastdds_\w+)', maps))
    return {path for path in DIRECTORY.glob('*fastdds_*') if any(s in path.name for s in stems)}


def segments(paths):
    """Those that no other process can make again; all nodes of the host share the ports."""
    return {path for path in paths if re.search(r'fastdds_[0-9a-f]{16}', path.name)}


def make_old(paths):
    for path in paths:
        os.utime(path, (time.time() - 60.0,) * 2)


def kill(process):
    process.kill()
    process.wait()


def existing(paths):
    return {path for path in paths if path.exists()}


def test_files_of_killed_nodes_are_removed_and_those_of_a_living_one_stay(domain):
    living = start()
    stays = files_of(living)  # before the other starts, whose segment it opens, too
    killed = start()
    goes = files_of(killed) - stays
    assert len(stays) >= 4 and len(goes) >= 2, (stays, goes)
    kill(killed)
    assert existing(goes) == goes  # the fault
    make_old(stays | goes)
    remove_shared_memory_of_the_dead()
    assert segments(goes) and existing(segments(goes)) <= files_of(living)
    assert existing(stays) == stays
    kill(living)
    make_old(existing(stays | goes))
    assert remove_shared_memory_of_the_dead() >= 1
    assert not existing(segments(stays | goes))


def test_files_of_a_process_that_starts_now_stay():
    path = DIRECTORY / f'fastdds_{os.getpid():016x}'
    path.write_bytes(b'')
    try:
        remove_shared_memory_of_the_dead()
        assert path.exists()
        make_old([path])
        remove_shared_memory_of_the_dead()
        assert not path.exists()
    finally:
        path.unlink(missing_ok=True)


def test_other_files_stay():
    paths = [DIRECTORY / name for name in (f'fastdds_{os.getpid()}_mine', f'mine-{os.getpid()}')]
    try:
        for path in paths:
            path.write_bytes(b'')
        make_old(paths)
        remove_shared_memory_of_the_dead()
        assert all(path.exists() for path in paths)
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
