"""The one exception that is meant for the person at the bench."""


class CellError(Exception):
    """A mistake or fault that one sentence explains: what, where, the limit, the remedy.

    Commands and nodes print the sentence alone (no stack trace) and exit with 1.
    """
