"""Paths that are no ordinary file, and files that are too large."""

import os
import socket

import pytest

from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes

LIMIT = 100


def refusal(path):
    with pytest.raises(CellError) as error:
        read_bytes(path, 'policy', LIMIT, 'name another')
    text = str(error.value)
    assert text.startswith('policy ') and text.endswith('; name another')
    return text


def test_an_ordinary_file_is_read(tmp_path):
    (tmp_path / 'a').write_bytes(b'x' * LIMIT)
    assert read_bytes(str(tmp_path / 'a'), 'policy', LIMIT) == b'x' * LIMIT


def test_a_device_a_pipe_a_socket_and_a_directory_are_refused_before_they_are_opened(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    assert 'is a pipe' in refusal(tmp_path / 'pipe')
    assert 'is a device' in refusal('/dev/zero')
    assert 'is a directory' in refusal(tmp_path)
    (tmp_path / 'link').symlink_to('/dev/zero')
    assert 'is a device' in refusal(tmp_path / 'link')
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / 's'))
        assert 'is a socket' in refusal(tmp_path / 's')


def test_a_sparse_file_of_100_gb_is_refused(tmp_path):
    with open(tmp_path / 'a', 'wb') as file:
        file.truncate(10**11)
    assert '100,000.0 MB, over the limit' in refusal(tmp_path / 'a')


@pytest.mark.parametrize(
    'name, words',
    [('missing', 'No such file'), ('x' * 5000, 'name too long'), ('a\0b', 'null byte')],
)
def test_an_impossible_name_is_refused(tmp_path, name, words):
    assert words in refusal(tmp_path / name)


def test_a_loop_of_links_is_refused(tmp_path):
    (tmp_path / 'a').symlink_to(tmp_path / 'a')
    assert 'symbolic links' in refusal(tmp_path / 'a')
