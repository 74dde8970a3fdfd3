"""What a page may send: JSON of at most MAX_SIZE bytes, of one of these types."""

from typing import Annotated

import msgspec

from so101_node.errors import CellError
from so101_node.refusals import short

MAX_SIZE = 1024  # bytes of a message
Axis = Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)]


class Key(msgspec.Struct, tag='key', tag_field='type', forbid_unknown_fields=True):
    """A key was pressed, or its button: a key of keyboard.py, or `end`."""

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]


class Drive(msgspec.Struct, tag='drive', tag_field='type', forbid_unknown_fields=True):
    """The leader moves this way: x, y, z (base_link) and gripper, shares of the full speed.

    It holds for a moment only; a page repeats it. All 0 releases the leader.
    """

    axes: tuple[Axis, Axis, Axis, Axis]


class Seen(msgspec.Struct, tag='seen', tag_field='type', forbid_unknown_fields=True):
    """The page has shown an image; it may get another one."""


class Show(msgspec.Struct, tag='show', tag_field='type', forbid_unknown_fields=True):
    """Whether the page wants images: not while it is hidden."""

    images: bool


Message = Key | Drive | Seen | Show
_DECODER = msgspec.json.Decoder(Message)


def decode(text: str | bytes) -> Message:
    """Return the message; CellError if it is none of these."""
    if len(text) > MAX_SIZE:
        raise CellError(f'a message of {len(text)} bytes; at most {MAX_SIZE} are read')
    try:
        message: Message = _DECODER.decode(text)
        return message
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError) as error:
        raise CellError(f'not a message of the console: {short(error, 120)}') from None
