"""Which part of a first session a cell is, for the page that leads through it.

It is in the environment: the parts are ordinary commands, and no option of theirs says it.
"""

from collections.abc import Mapping
import re

VARIABLE = 'HILSERL_SESSION'  # environment variable: '1/3'


def text_of_part(part: int, parts: int) -> str:
    """Return the value of the variable."""
    return f'{part}/{parts}'


def part_in(environment: Mapping[str, str]) -> tuple[int, int]:
    """Return the part and their number; (0, 0) if this cell is part of no session."""
    found = re.fullmatch(r'([1-9])/([1-9])', environment.get(VARIABLE, ''))
    return (int(found[1]), int(found[2])) if found else (0, 0)
