"""The keys of a task file as text: the table of docs/tasks.md, and a commented file to start from.

Both come from the structs of `task_file`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from .task_file import TaskFile
from .tasks import DIRECTORY

ANY = 'NAME'  # stands for a key that the user chooses


@dataclass(frozen=True)
class Key:
    """One key. path: as in `start.pitch`; default: msgspec.NODEFAULT if the key is needed."""

    path: str
    kind: str
    text: str
    default: Any


def keys(kind: Any = TaskFile, prefix: str = '') -> Iterator[Key]:
    """Yield every key of a struct, and of the structs in it, in the order of a file."""
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        path = f'{prefix}{field.encode_name}'
        plain, meta = _without_meta(hints[field.name])
        default = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        yield Key(path, _kind(plain, meta), (meta and meta.description) or '', default)
        yield from _inner(plain, path)


def _inner(plain: Any, path: str) -> Iterator[Key]:
    for each in _alternatives(plain):
        if _is_struct(each):
            config = each.__struct_config__
            if config.tag is None:
                yield from keys(each, f'{path}.')
            else:  # one kind of several
                where = f'{path}[{config.tag}]'
                text = (each.__doc__ or '').strip().rstrip('.')
                yield Key(where, f'`{config.tag_field}: {config.tag}`', text, None)
                yield from keys(each, f'{where}.')
        elif get_origin(each) in (dict, list, tuple):
            is_dict = get_origin(each) is dict
            last = _without_meta(get_args(each)[-1 if is_dict else 0])[0]
            yield from _inner(last, f'{path}.{ANY}' if is_dict else path)


def _alternatives(plain: Any) -> tuple[Any, ...]:
    if get_origin(plain) in (Union, types.UnionType):
        return tuple(_without_meta(each)[0] for each in get_args(plain))
    return (plain,)


def _without_meta(hint: Any) -> tuple[Any, msgspec.Meta | None]:
    """Return a type without its metadata, and the metadata that was written last."""
    if get_origin(hint) is not Annotated:
        return hint, None
    inner, *metas = get_args(hint)
    found: msgspec.Meta = metas[-1]
    return inner, found


_WORDS = {int: 'a whole number', float: 'a number', str: 'a text', bool: 'true or false'}


def _kind(plain: Any, meta: msgspec.Meta | None = None) -> str:
    """Return the kind of a value in a few words, with its range."""
    words = [_kind_of(each) for each in _alternatives(plain) if each is not types.NoneType]
    inner = [_without_meta(each)[1] for each in get_args(plain)]  # as of a number or nothing
    low, high = next(filter(any, map(_bounds, (meta, *inner))), ('', ''))
    return ' or '.join(dict.fromkeys(words)) + (f', {low} to {high}' if low else '')


def _bounds(meta: msgspec.Meta | None) -> tuple[str, str]:
    if meta is None or meta.le is None:
        return '', ''
    return (f'{meta.ge:g}' if meta.ge is not None else f'over {meta.gt:g}'), f'{meta.le:g}'


def _kind_of(plain: Any) -> str:
    origin, arguments = get_origin(plain), get_args(plain)
    if origin is Literal:
        return ', '.join(f'`{value}`' for value in arguments)
    if origin is dict:
        return 'keys with values'
    if origin in (list, tuple):
        first = _without_meta(arguments[0])[0]
        if arguments[-1] is Ellipsis or origin is list:
            has_keys = any(map(_is_struct, _alternatives(first)))
            return 'a list' if has_keys else f'a list of: {_kind(first)}'
        return f'{len(arguments)} numbers'
    return 'keys' if _is_struct(plain) else _WORDS.get(plain, str(plain))


def _is_struct(plain: Any) -> bool:
    return isinstance(plain, type) and issubclass(plain, msgspec.Struct)


def shown(value: Any) -> str:
    """Return a default as a task file has it; '' for none or a mapping, 'needed' if needed."""
    if value is msgspec.NODEFAULT:
        return 'needed'
    if value is None or isinstance(value, msgspec.Struct) or value in ({}, (), ''):
        return ''
    if isinstance(value, tuple):
        return '[' + ', '.join(map(shown, value)) + ']'
    return f'{value:g}' if isinstance(value, float) else str(value).lower()


def table() -> str:
    """Return the Markdown table of all keys."""
    rows = [f'| `{key.path}` | {key.kind} | {shown(key.default)} | {key.text} |' for key in keys()]
    return '\n'.join(['| key | value | default | meaning |', '|---|---|---|---|', *rows]) + '\n'


# What the file of a new task has besides the defaults.
_FIRST = {'version': '1', 'instruction': 'say in one sentence what is to be done'}


def template(name: str) -> str:
    """Return a valid task file with a comment for each key."""
    given = _FIRST | {'name': name}
    lines = ['# A task: docs/tasks.md describes each key. Check it with ./cell task check FILE.']
    lists: list[str] = []
    for key in keys():
        depth = key.path.count('.')
        if ANY in key.path or key.path.startswith(('sim.', 'action.joints.', 'learning.')):
            continue
        word, indent = key.path.rpartition('.')[2], '  ' * depth
        if key.path.startswith(tuple(f'{path}.' for path in lists)):
            continue
        lines.append(f'{indent}# {key.text} [{key.kind}]')
        if key.kind == 'a list':
            lists.append(key.path)
            parts = [k.path.rpartition('.')[2] for k in keys() if k.path.startswith(f'{word}.')]
            lines.append(f'{indent}{word}: []  # each has the keys {", ".join(parts)}')
        elif word == 'cameras':
            lines += ['cameras:', *_camera_lines()]
        elif word == 'sim':
            lines += _example_of_sim()
        elif key.path == 'action.joints':
            example = ', '.join(f'{name}: 0.1' for name in ('shoulder_pan', 'elbow_flex'))
            lines.append(f'{indent}# joints: {{{example}}}')
        elif word == 'learning':
            lines.append('# learning: {discount: 0.99}')
        elif isinstance(key.default, msgspec.Struct):
            lines.append(f'{indent}{word}:')
        else:
            lines.append(f'{indent}{word}: {given.get(key.path) or shown(key.default)}')
    return '\n'.join(lines) + '\n'


def _example_of_sim() -> list[str]:
    """Return the lines of the key `sim` of an installed task."""
    text = (DIRECTORY / 'grasp_lift.yaml').read_text(encoding='utf-8')
    return text[text.index('sim:') :].splitlines()


def _camera_lines() -> list[str]:
    """Return the lines of one camera with all of its keys; the crop is a comment."""
    lines = ['  wrist:']
    crops = []
    for key in keys():
        if key.path.startswith(f'cameras.{ANY}.crop.'):
            crops.append(key.path.rpartition('.')[2])
        elif key.path.startswith(f'cameras.{ANY}.'):
            word = key.path.rpartition('.')[2]
            lines.append(f'    # {key.text} [{key.kind}]')
            lines.append(f'    {word}: {shown(key.default)}' if shown(key.default) else '')
    example = dict(zip(crops, (0, 20, 120, 120)))
    lines[-1] = '    # crop: {' + ', '.join(f'{k}: {v}' for k, v in example.items()) + '}'
    return [line for line in lines if line]
