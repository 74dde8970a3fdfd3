import os
import sqlite3
import stat
import subprocess
import sys

import pytest

from hilserl_link.spool import Spool
from hilserl_link.spools import Spools
from so101_node.errors import CellError


def test_numbers_go_on_over_a_restart_even_if_all_steps_are_gone(tmp_path):
    spool = Spool(tmp_path / 'run.sqlite', 1000)
    for _ in range(3):
        spool.append(b'step')
    identity = spool.id
    spool.forget(3)
    spool.close()
    spool = Spool(tmp_path / 'run.sqlite', 1000)
    assert (spool.id, spool.first, spool.next, len(spool)) == (identity, 4, 4, 0)


def test_a_killed_process_loses_no_step(tmp_path):
    program = (
        'import os, pathlib, signal\n'
        'from hilserl_link.spool import Spool\n'
        f'spool = Spool(pathlib.Path({str(tmp_path / "run.sqlite")!r}), 1 << 20)\n'
        'for i in range(20): spool.append(b"step %d" % i)\n'
        'spool.forget(5)\n'
        'os.kill(os.getpid(), signal.SIGKILL)\n'
    )
    assert subprocess.run([sys.executable, '-c', program]).returncode == -9
    spool = Spool(tmp_path / 'run.sqlite', 1 << 20)
    assert [step.data for step in spool.read(1, 99, 1 << 20)] == [
        b'step %d' % i for i in range(5, 20)
    ]


def test_a_full_spool_stores_no_more_and_counts_what_is_lost(tmp_path):
    spool = Spool(tmp_path / 'run.sqlite', 100)
    assert [spool.append(bytes(40)) for _ in range(4)] == [True, True, False, False]
    assert (spool.lost, len(spool)) == (2, 2)
    spool.forget(1)
    assert spool.append(bytes(40))
    assert [step.number for step in spool.read(0, 9, 1000)] == [2, 3]


def test_a_read_is_bounded_in_steps_and_bytes(tmp_path):
    spool = Spool(tmp_path / 'run.sqlite', 1 << 20)
    for _ in range(10):
        spool.append(bytes(100))
    assert len(spool.read(1, 4, 1 << 20)) == 4
    assert len(spool.read(1, 10, 250)) == 3


def test_a_disk_that_takes_nothing_costs_the_step_and_no_more(tmp_path, monkeypatch):
    spool = Spool(tmp_path / 'run.sqlite', 1 << 20)
    spool.append(b'one')
    spool._db.execute('PRAGMA query_only=ON')  # SQLite refuses to write, as on a full disk
    assert not spool.append(b'two') and spool.lost == 1 and spool.forget(1) == 0
    spool._db.execute('PRAGMA query_only=OFF')
    assert spool.append(b'three')
    assert [step.data for step in spool.read(1, 9, 100)] == [b'one', b'three']


def test_a_spool_is_for_one_process_and_one_user(tmp_path):
    spool = Spool(tmp_path / 'a' / 'run.sqlite', 100)
    spool.append(b'step')
    assert stat.S_IMODE(os.stat(tmp_path / 'a').st_mode) == 0o700
    assert stat.S_IMODE(os.stat(tmp_path / 'a' / 'run.sqlite').st_mode) == 0o600
    with pytest.raises(CellError, match='database is locked; end the other process'):
        Spool(tmp_path / 'a' / 'run.sqlite', 100)


def test_a_file_that_is_no_spool_is_one_sentence(tmp_path):
    (tmp_path / 'run.sqlite').write_bytes(b'not a database' * 100)
    with pytest.raises(CellError, match='file is not a database'):
        Spool(tmp_path / 'run.sqlite', 100)
    with sqlite3.connect(tmp_path / 'other.sqlite') as db:
        db.execute('CREATE TABLE spool (something)')
    with pytest.raises(CellError, match='cannot be used'):
        Spool(tmp_path / 'other.sqlite', 100)


def test_each_run_has_a_spool_of_its_own(tmp_path):
    spools = Spools(tmp_path, 1000)
    spools.of('one').append(b'1')
    spools.of('two').append(b'2')
    spools.of('two').append(b'3')
    spools.close()
    spools = Spools(tmp_path, 1000)
    assert (spools.waiting, spools.of_other_runs('one'), spools.of_other_runs('')) == (3, 2, 3)
    with pytest.raises(CellError, match='is not an id'):
        spools.of('../elsewhere')
    with pytest.raises(CellError, match='of no run'):
        spools.of('')


def test_a_step_that_the_actor_repeats_is_stored_once_also_after_it_was_deleted(tmp_path):
    spool = Spool(tmp_path / 'spool.sqlite', 1 << 20)
    for index in range(3):
        assert spool.append(b'step', 'e', index)
    assert spool.forget(2) == 2
    spool.close()
    spool = Spool(tmp_path / 'spool.sqlite', 1 << 20)
    for episode, index in (('e', 0), ('e', 1), ('e', 2), ('e', 4), ('f', 0), ('f', 0)):
        assert spool.append(b'step', episode, index)
    assert len(spool) == 3 and spool.next == 6 and spool.lost == 0


def test_what_was_stored_long_ago_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr('hilserl_link.spool.REMEMBERED', 2)
    spool = Spool(tmp_path / 'spool.sqlite', 1 << 20)
    for episode in 'abcd':
        spool.append(b'step', episode, 0)
    assert spool.append(b'step', 'c', 0) and len(spool) == 4
    assert spool.append(b'step', 'a', 0) and len(spool) == 5
