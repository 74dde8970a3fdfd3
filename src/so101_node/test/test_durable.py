"""Content on disk after an interrupted write, and the order of syncs."""

import os

import pytest

from so101_node.durable import make_private, replace_file, replace_link


@pytest.fixture
def synced(monkeypatch):
    """Names of the synced files and directories, in order."""
    found, fsync = [], os.fsync

    def remember(descriptor):
        found.append(os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}')))
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', remember)
    return found


def test_a_replaced_file_is_synced_before_its_name_and_then_its_directory(tmp_path, synced):
    replace_file(tmp_path / 'a', 'old\n')
    replace_file(tmp_path / 'a', 'new\r\n')
    assert (tmp_path / 'a').read_bytes() == b'new\r\n'
    assert synced == ['a.new', tmp_path.name] * 2
    assert [p.name for p in tmp_path.iterdir()] == ['a']


def test_a_file_replaced_without_sync_is_not_synced(tmp_path, synced):
    replace_file(tmp_path / 'a', 'x', synced=False)
    assert (tmp_path / 'a').read_text() == 'x' and synced == []


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    replace_file(tmp_path / 'a', 'old')

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space'):
        replace_file(tmp_path / 'a', 'new')
    assert (tmp_path / 'a').read_text() == 'old'


def test_a_link_is_replaced_although_a_killed_process_left_its_new_link(tmp_path):
    (tmp_path / '.new-latest').symlink_to('half')
    for target in ('1', '2'):
        replace_link(tmp_path / 'latest', target)
        assert os.readlink(tmp_path / 'latest') == target
    assert [p.name for p in tmp_path.iterdir()] == ['latest']


def test_new_directories_are_for_this_user_only_and_existing_ones_keep_their_mode(tmp_path):
    before = os.umask(0o002)
    try:
        (tmp_path / 'given').mkdir(mode=0o755)
        make_private(tmp_path / 'given' / 'runs' / 'lift')
        make_private(tmp_path / 'given')
    finally:
        os.umask(before)
    modes = {
        path.name: path.stat().st_mode & 0o777
        for path in (tmp_path / 'given', *(tmp_path / 'given').rglob('*'))
    }
    assert modes == {'given': 0o755, 'runs': 0o700, 'lift': 0o700}
    (tmp_path / 'file').touch()
    with pytest.raises(FileExistsError):
        make_private(tmp_path / 'file')
