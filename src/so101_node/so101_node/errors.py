"""The one exception that is meant for the person at the bench."""


class CellError(Exception):
    """A mistake or fault that one sentence explains: what, where, value, limit, remedy.

    Commands and nodes print this sentence without a stack trace and exit with 1.
    """
