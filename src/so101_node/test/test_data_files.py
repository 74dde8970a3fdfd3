"""Errors of damaged JSON and YAML files."""

from dataclasses import dataclass, field
import time

import msgspec
import pytest

from so101_node import data_files
from so101_node.data_files import decode, read_data
from so101_node.errors import CellError


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Outer:
    seed: int
    inner: Inner = field(default_factory=Inner)


class Open(msgspec.Struct):
    seed: int


def sentence(call, *words):
    with pytest.raises(CellError) as error:
        call(*words)
    text = str(error.value)
    assert '\n' not in text and '`' not in text and '$' not in text
    return text


@pytest.mark.parametrize(
    'text, words',
    [
        ('{"seed": "x"}', 'seed: expected int, got str'),
        ('{"seed": 1.5}', 'seed: expected int, got float'),
        ('{}', 'object missing required field seed'),
        ('{"seed": 1, "sead": 2}', "unknown field 'sead'"),
        ('{"seed": 1, "inner": {"size": []}}', "unknown field 'size' in inner"),
        ('{"seed": 1, "inner": {"sizes": ["a"]}}', 'inner.sizes[0]: expected int, got str'),
        ('{"seed"', 'input data was truncated'),
        ('[]', 'expected object, got array'),
        ('\xff', 'JSON is malformed'),
    ],
)
def test_a_damaged_file_gives_one_sentence_with_file_place_and_remedy(tmp_path, text, words):
    file = tmp_path / 'a.json'
    file.write_bytes(text.encode('latin-1'))
    message = sentence(read_data, file, Outer, 'record', 'delete it')
    assert message.startswith(f'record {file} is damaged: ') and message.endswith('; delete it')
    assert words.lower() in message.lower()


def test_yaml_and_json_give_the_same_value(tmp_path):
    (tmp_path / 'a.json').write_text('{"seed": 3, "inner": {"sizes": [4]}}')
    (tmp_path / 'a.yaml').write_text('seed: 3\ninner: {sizes: [4]}\n')
    for name in ('a.json', 'a.yaml'):
        assert read_data(tmp_path / name, Outer, 'x', 'y') == Outer(3, Inner((4,)))
    (tmp_path / 'a.yaml').write_text('seed: [3\n')
    assert 'is damaged' in sentence(read_data, tmp_path / 'a.yaml', Outer, 'x', 'y')


def test_a_struct_may_ignore_unknown_fields(tmp_path):
    assert decode('{"seed": 1, "more": 2}', Open, 'x').seed == 1


def test_a_file_over_the_size_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(data_files, 'MAX_BYTES', 10)
    (tmp_path / 'a.json').write_text('{"seed": 1, "inner": {}}')
    message = sentence(read_data, tmp_path / 'a.json', Outer, 'record', 'delete it')
    assert 'over the limit' in message and 'delete it' in message


def test_a_missing_file_cannot_be_read(tmp_path):
    message = sentence(read_data, tmp_path / 'a.json', Outer, 'record', 'delete it')
    assert 'cannot be read: No such file' in message
    message = sentence(read_data, tmp_path / 'a.json', Outer, 'record')
    assert message.endswith('cannot be read: No such file or directory')


BOMB = 'a0: &a0 [x, x]\n' + ''.join(
    f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]\n' for i in range(1, 12)
)


@pytest.mark.parametrize(
    'text, words',
    [
        (BOMB, 'alias *a0'),
        ('&a [*a]', 'alias *a'),
        ('[' * 300_000, '64 levels deep'),
        ('{a: ' * 300_000, '64 levels deep'),
        ('- ' * 300_000, '64 levels deep'),
        ('? ' * 300_000, '64 levels deep'),
        ('seed: 1' + ':1' * 300_000, '100,000 characters'),
        ('seed: ' + '9' * 50_000, 'digits'),
        ('seed: 2001-99-99', 'month'),
        ('seed: !!binary "%"', 'seed: expected int'),
        ('? [1]\n: 2', 'unhashable'),
        ('seed: !!python/object:os.system x', 'constructor'),
        ('seed: 1\nseed: {1: 2}', 'expected int'),
        ('\0\0\0', 'control characters'),
        ('null', 'expected object'),
        ('', 'expected object'),
    ],
    ids=range(16),
)
def test_hostile_yaml_is_refused_in_one_sentence_and_in_bounded_time(tmp_path, text, words):
    file = tmp_path / 'a.yaml'
    file.write_bytes(text.encode())
    since = time.monotonic()
    message = sentence(read_data, file, Outer, 'record', 'delete it')
    assert words in message and len(message) < 500 + len(str(file))
    assert time.monotonic() - since < 2.0


def test_deep_json_is_refused(tmp_path):
    file = tmp_path / 'a.json'
    file.write_text('{"seed": ' + '[' * 1_000_000)
    assert 'is damaged' in sentence(read_data, file, Outer, 'record')
