"""The one exception that is meant for the person at the bench."""

REFUSED = 3  # exit code of a node whose options, files or hardware it cannot start with


class CellError(Exception):
    """A mistake or fault that one sentence explains: what, where, value, limit, remedy.

    Commands and nodes print this sentence without a stack trace. A command and a running node
    exit with 1, a node that cannot start with REFUSED.
    """


def printable(error: object, limit: int = 12_000) -> str:
    """Return an error's text as one line that any terminal can show.

    Paths may have line breaks, control characters and bytes that are not UTF-8. A longer text is
    cut in its middle.
    """
    text = ''.join(
        c if c.isprintable() else ' ' if c == '\n' else ascii(c)[1:-1] for c in str(error)
    )
    return text if len(text) <= limit else f'{text[: limit // 2]} ... {text[-limit // 2 :]}'
