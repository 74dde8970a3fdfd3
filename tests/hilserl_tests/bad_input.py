"""Paths and values that a person may give to a verb by mistake, or a stranger on purpose."""

from collections.abc import Callable
import os
from pathlib import Path
import socket

DEEP = '[' * 200_000
ALIASES = 'a: &a [x]\nb: [*a, *a]\n'
METADATA = 'rosbag2_bagfile_information: {relative_file_paths: [%s], version: 9}\n'


def _file(content: bytes | str) -> Callable[[Path], Path]:
    data = content.encode() if isinstance(content, str) else content

    def make(directory: Path) -> Path:
        (directory / 'file').write_bytes(data)
        return directory / 'file'

    return make


def _named(name: str) -> Callable[[Path], Path]:
    def make(directory: Path) -> Path:
        (directory / name).write_bytes(b'x')
        return directory / name

    return make


def _holding(**files: str) -> Callable[[Path], Path]:
    """A directory with files. `metadata`: metadata.yaml; `run`: run.yaml."""

    def make(directory: Path) -> Path:
        for name, content in files.items():
            (directory / f'{name}.yaml').write_text(content)
        return directory

    return make


def _pipe(directory: Path) -> Path:
    os.mkfifo(directory / 'pipe')
    return directory / 'pipe'


def _socket(directory: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as opened:
        before = Path.cwd()
        os.chdir(directory)  # the name of a socket has at most 107 bytes
        try:
            opened.bind('s')
        finally:
            os.chdir(before)
    return directory / 's'


def _link(target: str) -> Callable[[Path], Path]:
    def make(directory: Path) -> Path:
        (directory / 'link').symlink_to(target)
        return directory / 'link'

    return make


def _sparse(directory: Path) -> Path:
    with open(directory / 'sparse', 'wb') as file:
        file.truncate(10**11)
    return directory / 'sparse'


def _bag_of_pipe(directory: Path) -> Path:
    (directory / 'metadata.yaml').write_text(METADATA % 'x.mcap')
    os.mkfifo(directory / 'x.mcap')
    return directory


def _bag_of_device(directory: Path) -> Path:
    (directory / 'metadata.yaml').symlink_to('/dev/zero')
    return directory


# name -> a function that makes it in an empty directory and returns its path
PATHS: dict[str, Callable[[Path], Path]] = {
    'missing': lambda d: d / 'missing',
    'nothing': lambda d: Path(),
    'empty file': _file(''),
    'empty directory': lambda d: d,
    'text': _file('hello\n'),
    'bytes': _file(bytes(range(256)) * 400),
    'zeros': _file(bytes(100_000)),
    'not UTF-8': _file(b'\xff\xfe\x00' * 100),
    'deep JSON': _file(DEEP),
    'NaN': _file('NaN'),
    'null': _file('null'),
    'endless device': lambda d: Path('/dev/zero'),
    'empty device': lambda d: Path('/dev/null'),
    'pipe': _pipe,
    'socket': _socket,
    'loop of links': _link('link'),
    'broken link': _link('nowhere'),
    'link to a device': _link('/dev/zero'),
    '100 GB': _sparse,
    'long name': lambda d: d / ('x' * 5000),
    'long path': lambda d: d / '/'.join(['x' * 100] * 100),
    'name in Unicode': _named('żółć-机器人'),
    'name with a line break': _named('a\nb'),
    'name that is not UTF-8': _named('a\udcff'),
    'name with a zero byte': lambda d: d / 'a\0b',
    'name of an option': _named('--help-me'),
    'user without a home': lambda d: Path('~nobody-at-all/x'),
    'file as directory': lambda d: Path(__file__) / 'x',
    'bag without files': _holding(metadata=METADATA % ''),
    'bag with aliases': _holding(metadata=ALIASES),
    'bag of null': _holding(metadata='null'),
    'bag of deep YAML': _holding(metadata=DEEP),
    'bag of a pipe': _bag_of_pipe,
    'bag of a device': _bag_of_device,
    'bag that points outside': _holding(metadata=METADATA % '/etc/passwd'),
    'run of null': _holding(run='null'),
    'run with aliases': _holding(run=ALIASES),
    'run of deep YAML': _holding(run=DEEP),
    'run of numbers': _holding(run='name: .nan\ntask: 5\n'),
}
