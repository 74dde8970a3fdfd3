"""An option stands once: as a field of the dataclass that uses it, its meaning as metadata.

From it come the node's parameter with its descriptor, the launch argument, `--help` and the tables
in docs/options.md. Free of ROS.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
import difflib
from functools import cache
import math
from typing import Any, get_args, get_type_hints

from .errors import CellError

_KEY = 'option'
_KINDS = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number',
    str: 'a text',
}


@dataclass(frozen=True)
class Option:
    """One option: what it is called, what it means and what is allowed.

    `kind` is bool, int, float or str, of each item if `many`. `verbs`: the commands that show it
    as a plain `name:=value`.
    """

    name: str
    default: Any
    text: str
    kind: type
    many: bool = False
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What is allowed, in a few words; '' if everything of its kind is."""
        if self.choices:
            return ', '.join(self.choices)
        if self.low is None or self.high is None:
            return ''
        return f'{number(self.low)} to {number(self.high)}'

    def described(self) -> str:
        """The sentence with unit and bounds, for a descriptor or `--help`."""
        # A text that begins with a value (`plain: ...`) begins as the value is written.
        first = self.text.split(maxsplit=1)[0]
        text = self.text if first.endswith(':') else self.text[0].upper() + self.text[1:]
        text += '.'
        notes = [self.unit, self.allowed] if self.kind is not bool else []
        noted = '; '.join(filter(None, notes))
        return f'{text} [{noted}]' if noted else text

    def parse(self, text: str) -> Any:
        """The value that `text` means; CellError if it means none that is allowed."""
        if self.many:
            words = text.strip().removeprefix('[').removesuffix(']').split(',')
            return self.checked(tuple(word.strip() for word in words if word.strip()), text)
        return self.checked(text, text)

    def checked(self, value: Any, said: object = None) -> Any:
        """`value` as this option's kind; CellError if it is not, or not allowed.

        said: what the person wrote, for the message.
        """
        said = value if said is None else said
        if self.many:
            if isinstance(value, str):
                return self.parse(value)
            if not isinstance(value, Iterable):
                raise CellError(f'{self.name}:={said} is not a list')
            found = tuple(self._one(item, said) for item in value)
            if self.kind is float and len(found) != len(self.default):
                raise CellError(
                    f'{self.name}:={said} has {len(found)} numbers, not {len(self.default)}'
                )
            return found
        return self._one(value, said)

    def _one(self, value: Any, said: object) -> Any:
        try:
            found = self._converted(value)
        except (ValueError, TypeError, KeyError):
            raise CellError(f'{self.name}:={said} is not {_KINDS[self.kind]}') from None
        if self.choices and found not in self.choices:
            raise CellError(f'{self.name}:={said} is not one of {", ".join(self.choices)}')
        if isinstance(found, float) and not math.isfinite(found):
            raise CellError(f'{self.name}:={said} is not a finite number')
        if self.low is not None and self.high is not None and not self.low <= found <= self.high:
            unit = f' {self.unit}' if self.unit else ''
            raise CellError(f'{self.name}:={said} is out of range: {self.allowed}{unit}')
        return found

    def _converted(self, value: Any) -> Any:
        if isinstance(value, str) and self.kind is bool:
            return {'true': True, 'false': False, 'True': True, 'False': False}[value.strip()]
        if isinstance(value, bool) != (self.kind is bool):
            raise ValueError(value)
        if self.kind is int and isinstance(value, float):
            if not value.is_integer():
                raise ValueError(value)
            return int(value)
        if self.kind is str and not isinstance(value, (str, int, float)):
            raise ValueError(value)
        return self.kind(value)


def option(
    default: Any,
    text: str,
    *,
    unit: str = '',
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    verbs: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that is an option. text: one sentence, without a full stop."""
    meaning = {'text': text, 'unit': unit, 'low': low, 'high': high, 'choices': choices}
    return field(default=default, metadata={_KEY: meaning | {'verbs': verbs}})


@dataclass(frozen=True)
class Options:
    """What a node, or a command, can be told. Subclasses add fields made by `option`."""

    def check(self) -> None:
        """CellError if the values do not fit together. Changes nothing."""


def options_of(owner: type) -> Mapping[str, Option]:
    """The options of a dataclass, by name, in their order."""
    return _options_of(owner)


@cache
def _options_of(owner: Any) -> Mapping[str, Option]:
    hints, found = get_type_hints(owner), {}
    for each in fields(owner):
        if _KEY not in each.metadata:
            continue
        items = get_args(hints[each.name])
        found[each.name] = Option(
            each.name,
            each.default,
            kind=items[0] if items else hints[each.name],
            many=bool(items),
            **each.metadata[_KEY],
        )
    return found


def checked(owner: type[Options], values: Mapping[str, Any]) -> Any:
    """An `owner` with these values; CellError if one is unknown or not allowed, or they clash."""
    known = options_of(owner)
    for name in values:
        if name not in known:
            raise CellError(f'there is no option {name}{nearest(name, known)}')
    found = owner(**{name: known[name].checked(value) for name, value in values.items()})
    found.check()
    return found


def check_fields(instance: Any) -> None:
    """CellError naming the first option of a dataclass whose value is not allowed."""
    for name, each in options_of(type(instance)).items():
        each.checked(getattr(instance, name))


def plain(value: Any) -> Any:
    """A value as a ROS parameter, and as JSON and YAML, holds it: texts as one, with commas."""
    if isinstance(value, tuple):
        return list(value) if value and isinstance(value[0], float) else ','.join(value)
    return value


def plain_values(options: Options) -> dict[str, Any]:
    """All options of an instance, by name, as ROS parameters hold them."""
    return {name: plain(getattr(options, name)) for name in options_of(type(options))}


def number(value: float) -> str:
    """A number as a person writes it: 1000000, 0.25, 1e-09."""
    return str(int(value)) if float(value).is_integer() else f'{value:g}'


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?` if one of the known names is like this one, else ''."""
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f'; did you mean {near[0]}?' if near else ''
