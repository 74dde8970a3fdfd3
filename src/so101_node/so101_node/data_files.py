"""Reads JSON and YAML into typed values. Every error is one sentence.

The type says what is allowed: a dataclass refuses unknown fields; a msgspec.Struct decides that
itself. The size of a file is checked before it is read, because it may come from anywhere.
"""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from .errors import CellError

T = TypeVar('T')
MAX_BYTES = 4_000_000  # a thousand evaluated episodes are 0.3 MB


def read_data(path: str | Path, kind: type[T], what: str, remedy: str) -> T:
    """Read a .json or .yaml file as `kind`.

    CellError if that fails. what: the kind of file, for the error sentence; remedy: its ending.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CellError(
                f'{what} {path} has {size / 1e6:.1f} MB, over the limit of '
                f'{MAX_BYTES / 1e6:.0f} MB; {remedy}'
            )
        data = path.read_bytes()
    except OSError as error:
        raise CellError(f'{what} {path} cannot be read: {error.strerror}; {remedy}') from error
    is_yaml = path.suffix in ('.yaml', '.yml')
    return decode(data, kind, f'{what} {path} is damaged', remedy, is_yaml)


def decode(data: bytes | str, kind: type[T], problem: str, remedy: str = '', is_yaml=False) -> T:
    """Decode JSON or YAML as `kind`; CellError, which begins with `problem`, if that fails."""
    try:
        raw = msgspec.yaml.decode(data) if is_yaml else msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _cell_error(problem, error, remedy) from error
    return convert(raw, kind, problem, remedy)


def convert(raw: Any, kind: type[T], problem: str, remedy: str = '') -> T:
    """Convert decoded data (dicts, lists, numbers) to `kind`, with the checks of `decode`."""
    try:
        _require_known(raw, kind, '')
        return msgspec.convert(raw, kind)
    except msgspec.MsgspecError as error:
        raise _cell_error(problem, error, remedy) from error


def _cell_error(problem: str, error: Exception, remedy: str) -> CellError:
    sentence = f'{problem}: {_in_words(str(error))}'
    return CellError(f'{sentence}; {remedy}' if remedy else sentence)


def _require_known(raw: Any, kind: Any, where: str) -> None:
    """Refuse unknown fields of dataclasses; msgspec alone would ignore them."""
    if not (is_dataclass(kind) and isinstance(raw, dict)):
        return
    hints = get_type_hints(kind)
    for name in raw:
        if name not in {f.name for f in fields(kind)}:
            raise msgspec.ValidationError(f'unknown field {name!r}{where}')
    for name, value in raw.items():
        _require_known(value, hints[name], f' in {name}')


def _in_words(message: str) -> str:
    """Turn 'Expected `int`, got `str` - at `$.seed`' into 'seed: expected int, got str'."""
    text, _, where = message.replace('`', '').partition(' - at ')
    where = where.removeprefix('$').lstrip('.')
    text = ' '.join(text.split())
    if text[1:2].islower():  # not an abbreviation
        text = text[:1].lower() + text[1:]
    return f'{where}: {text}' if where else text
