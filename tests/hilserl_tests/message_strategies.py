"""Hypothesis strategies for any ROS message, made from its definition.

They prefer what breaks programs: not-a-number, extremes, megabytes of text, texts and joint names
that a cell uses, arrays that do not fit their sizes.
"""

from importlib import import_module
import re
from typing import Any

from hypothesis import strategies as st

from so101_description.joints import JOINTS
from so101_node.modes import Mode

_INTEGER = re.compile(r'(u?)int(8|16|32|64)')
_ARRAY = re.compile(r'(?:sequence<(.+?)(?:, (\d+))?>|(.+)\[(\d+)\])')
_KNOWN = (*JOINTS, *Mode, 'rgb8', 'bgr8', 'fuzz', 'success', 'driver: follower', '../..', '[/red]')
_LONG = 200_000  # characters, and bytes of an array
_FLOATS = (0.0, 1.0, -1.0, 1e300, float('nan'), float('inf'), float('-inf'))


def type_of(name: str) -> type[Any]:
    """Return the class of a type: pkg/Type for a message, pkg/msg/Type or pkg/srv/Type."""
    package, *kind, word = name.split('/')
    found: type[Any] = getattr(import_module(f'{package}.{kind[0] if kind else "msg"}'), word)
    return found


def messages(kind: type[Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Return a strategy for messages of a type, or for requests of a service."""
    fields: dict[str, str] = kind.get_fields_and_field_types()
    values = {name: _values(text, depth) for name, text in fields.items()}
    if set(values) >= {'name', 'position'}:  # joint states that are nearly right, too
        near = st.fixed_dictionaries(
            {
                'name': st.just(list(JOINTS)),
                'position': st.lists(st.sampled_from(_FLOATS), min_size=5, max_size=7),
            }
        )
        return st.one_of(_built(kind, values), near.map(lambda given: kind(**given)))
    return _built(kind, values)


def _built(kind: type[Any], values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(values).map(lambda given: kind(**given))


def _values(text: str, depth: int) -> st.SearchStrategy[Any]:
    if array := _ARRAY.fullmatch(text):
        element = array[1] or array[3]
        least, most = (int(array[4]),) * 2 if array[4] else (0, int(array[2] or 8))
        if element in ('uint8', 'octet', 'byte', 'char') and not array[4]:
            return st.one_of(
                st.binary(max_size=64), st.sampled_from([b'', b'\0' * _LONG, b'\xff' * 57_600])
            ).map(list)
        if depth > 2:
            most = least
        return st.lists(_values(element, depth + 1), min_size=least, max_size=most)
    if number := _INTEGER.fullmatch(text):
        bits, signed = int(number[2]), not number[1]
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return st.one_of(st.sampled_from([low, high, 0, 1]), st.integers(low, high))
    if text in ('float', 'double'):
        width = 32 if text == 'float' else 64
        return st.one_of(
            st.sampled_from(_FLOATS if width == 64 else [*_FLOATS[:3], *_FLOATS[4:]]),
            st.floats(width=32) if width == 32 else st.floats(),
        )
    if text in ('string', 'wstring') or text.startswith('string<'):
        return st.one_of(
            st.sampled_from(_KNOWN),
            st.text(st.characters(codec='utf-8', exclude_characters='\0'), max_size=40),
            st.sampled_from(['', 'x' * _LONG, '[' * _LONG, '\x1b[2J']),
        )
    if text == 'boolean':
        return st.booleans()
    if text in ('octet', 'byte', 'char'):
        return st.binary(min_size=1, max_size=1)
    return messages(type_of(text), depth + 1)
