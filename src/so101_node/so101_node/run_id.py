"""The id of a run: its steps, rewards and weights bear it, and those of other runs are refused.

It keeps nodes of another run, or of another person on the same network, from changing this run by
mistake. It is no secret and protects against nobody who means harm.
"""

import re
import secrets

from .errors import CellError

_FORM = re.compile(r'[A-Za-z0-9._-]{1,64}')


def new_run_id() -> str:
    """Return a random run id."""
    return secrets.token_hex(4)


def check_run_id(run_id: str) -> None:
    """Raise CellError if a given run id has characters that no run id has."""
    if run_id and not _FORM.fullmatch(run_id):
        raise CellError(
            f'run_id {run_id[:80]!r} is not an id: 1 to 64 letters, digits, points, lines (- _)'
        )


class RunFilter:
    """Tells the messages of the own run from those of others.

    A node that was started without a run id takes that of the first message that has one.
    given: whether it was started with one.
    """

    def __init__(self, run_id: str):
        check_run_id(run_id)
        self.run_id, self.given = run_id, bool(run_id)
        self.refused = 0

    def problem(self, run_id: str) -> str:
        """Return why a message with this run id is refused, or ''."""
        if not self.run_id and _FORM.fullmatch(run_id):
            self.run_id = run_id
        if run_id == self.run_id:
            return ''
        self.refused += 1
        theirs = f'run {run_id[:80]!r}' if run_id else 'no run'
        return f'it is of {theirs}, but this run is {self.run_id!r}'

    def adopt(self, run_id: str) -> bool:
        """Take another run's id, if this node was started without one; return whether it did."""
        if self.given or not _FORM.fullmatch(run_id) or run_id == self.run_id:
            return False
        self.run_id = run_id
        return True
