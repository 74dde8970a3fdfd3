"""Options: typed fields of dataclasses, with meaning, unit and range as metadata.

Each option is defined once, in the dataclass that uses it. The node parameter with its descriptor,
the launch argument, `--help` and the tables in docs/options.md come from it. Free of ROS.
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
    """One option: name, meaning, allowed values.

    kind: bool, int, float or str; with `many` the kind of each item. verbs: the commands that
    show the option as a plain `name:=value`.
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
        """The allowed values in a few words; '' if every value of its kind is allowed."""
        if self.choices:
            return ', '.join(self.choices)
        if self.low is None or self.high is None:
            return ''
        return f'{number(self.low)} to {number(self.high)}'

    def described(self) -> str:
        """Return the text with unit and range, for a descriptor or `--help`."""
        # Keep the first letter of a text that begins with a value (`plain: ...`).
        first = self.text.split(maxsplit=1)[0]
        text = self.text if first.endswith(':') else self.text[0].upper() + self.text[1:]
        text += '.'
        notes = [self.unit, self.allowed] if self.kind is not bool else []
        noted = '; '.join(filter(None, notes))
        return f'{text} [{noted}]' if noted else text

    def parse(self, text: str) -> Any:
        """Convert `text` to a value; CellError if that fails or the value is not allowed."""
        if self.many:
            words = text.strip().removeprefix('[').removesuffix(']').split(',')
            return self.checked(tuple(word.strip() for word in words if word.strip()), text)
        return self.checked(text, text)

    def checked(self, value: Any, given: object = None) -> Any:
        """Convert `value` to this option's kind; CellError if that fails or it is not allowed.

        given: the text that the user wrote, for the error sentence.
        """
        given = value if given is None else given
        if self.many:
            if isinstance(value, str):
                return self.parse(value)
            if not isinstance(value, Iterable):
                raise CellError(f'{self.name}:={given} is not a list')
            found = tuple(self._checked_item(item, given) for item in value)
            if self.kind is float and len(found) != len(self.default):
                raise CellError(
                    f'{self.name}:={given} has {len(found)} numbers, not {len(self.default)}'
                )
            return found
        return self._checked_item(value, given)

    def _checked_item(self, value: Any, given: object) -> Any:
        try:
            found = self._converted(value)
        except (ValueError, TypeError, KeyError):
            raise CellError(f'{self.name}:={given} is not {_KINDS[self.kind]}') from None
        if self.choices and found not in self.choices:
            raise CellError(f'{self.name}:={given} is not one of {", ".join(self.choices)}')
        if isinstance(found, float) and not math.isfinite(found):
            raise CellError(f'{self.name}:={given} is not a finite number')
        if self.low is not None and self.high is not None and not self.low <= found <= self.high:
            unit = f' {self.unit}' if self.unit else ''
            raise CellError(f'{self.name}:={given} is out of range: {self.allowed}{unit}')
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
    """Return a dataclass field that is an option. text: one sentence without a full stop."""
    meaning = {'text': text, 'unit': unit, 'low': low, 'high': high, 'choices': choices}
    return field(default=default, metadata={_KEY: meaning | {'verbs': verbs}})


@dataclass(frozen=True)
class Options:
    """Options of a node or a command. Subclasses add fields made by `option`."""

    def check(self) -> None:
        """Raise CellError if the values contradict each other. Changes nothing."""


def options_of(owner: type) -> Mapping[str, Option]:
    """Return the options of a dataclass by name, in the order of its fields."""
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
    """Return an `owner` with these values.

    CellError if a name is unknown, a value is not allowed or values contradict each other.
    """
    known = options_of(owner)
    for name in values:
        if name not in known:
            raise CellError(f'there is no option {name}{nearest(name, known)}')
    found = owner(**{name: known[name].checked(value) for name, value in values.items()})
    found.check()
    return found


def check_fields(instance: Any) -> None:
    """Raise CellError for the first option of a dataclass whose value is not allowed."""
    for name, each in options_of(type(instance)).items():
        each.checked(getattr(instance, name))


def plain(value: Any) -> Any:
    """Convert a value for a ROS parameter, JSON or YAML: several texts become one, with commas."""
    if isinstance(value, tuple):
        return list(value) if value and isinstance(value[0], float) else ','.join(value)
    return value


def plain_values(options: Options) -> dict[str, Any]:
    """Return all values of an instance by option name, converted by `plain`."""
    return {name: plain(getattr(options, name)) for name in options_of(type(options))}


def number(value: float) -> str:
    """Format a number as a person writes it: 1000000, 0.25, 1e-09."""
    return str(int(value)) if float(value).is_integer() else f'{value:g}'


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` if a known name is similar to this one, else ''."""
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f'; did you mean {near[0]}?' if near else ''
