"""Reads JSON and YAML into typed values. Every error is one sentence.

The type says what is allowed: a dataclass refuses unknown fields; a msgspec.Struct decides that
itself. A file may come from anywhere, so its kind and size are checked before it is read.
"""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec
import yaml

from .errors import CellError
from .foreign_files import read_bytes

T = TypeVar('T')
MAX_BYTES = 4_000_000  # a thousand evaluated episodes are 0.3 MB
MAX_DEPTH = 64  # of nested lists and mappings in YAML
MAX_SCALAR = 100_000  # characters; the time to convert a number grows with its square
_Loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


def read_data(path: str | Path, kind: type[T], what: str, remedy: str = '') -> T:
    """Read a .json or .yaml file as `kind`.

    CellError if that fails. what: the kind of file, for the error sentence; remedy: its ending.
    """
    path = Path(path)
    data = read_bytes(path, what, MAX_BYTES, remedy)
    is_yaml = path.suffix in ('.yaml', '.yml')
    return decode(data, kind, f'{what} {path} is damaged', remedy, is_yaml)


def decode(
    data: bytes | str, kind: type[T], problem: str, remedy: str = '', is_yaml: bool = False
) -> T:
    """Decode JSON or YAML as `kind`; CellError, which begins with `problem`, if that fails."""
    try:
        raw = yaml_value(data) if is_yaml else msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise _cell_error(problem, error, remedy) from error
    return convert(raw, kind, problem, remedy)


def yaml_value(data: bytes | str) -> Any:
    """Return the value of a YAML document; ValueError if it is none, or not a plain one.

    Aliases are refused, because a few lines of them stand for billions of values. The depth is
    bounded, because the parser crashes on deep documents.
    """
    try:
        depth = 0
        for event in yaml.parse(data, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(
                    f'it has the alias *{str(event.anchor)[:50]}; write the value instead'
                )
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise ValueError(f'it is nested more than {MAX_DEPTH} levels deep')
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR:
                raise ValueError(f'it has a value of more than {MAX_SCALAR:,} characters')
        return yaml.load(data, Loader=_Loader)
    except (yaml.YAMLError, OverflowError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(' '.join(str(error).split())) from error


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
