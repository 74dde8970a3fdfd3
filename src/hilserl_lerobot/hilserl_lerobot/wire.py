"""Messages between this suite and a program in another environment, over a socket.

A message is a JSON object and the bytes that belong to it, each with its length before it, and
each with a limit. Only the standard library is imported: the other environment has nothing else.
"""

import json
import socket
import struct
from typing import Any

MAX_JSON, MAX_BYTES = 1 << 16, 1 << 26
_LENGTHS = struct.Struct('>II')  # of the JSON, of the bytes


class WireError(Exception):
    """The other end is gone, or sent what is no message."""


def send(link: socket.socket, message: dict[str, Any], data: bytes = b'') -> None:
    """Send a message; WireError if it is too long or the other end is gone."""
    text = json.dumps(message).encode()
    if len(text) > MAX_JSON or len(data) > MAX_BYTES:
        raise WireError(f'a message of {len(text)} and {len(data)} bytes is too long')
    try:
        link.sendall(_LENGTHS.pack(len(text), len(data)) + text + data)
    except OSError as error:
        raise WireError(f'the other end is gone: {error}') from error


def receive(link: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Return the next message and its bytes; WireError as above, TimeoutError as the socket's."""
    text_length, length = _LENGTHS.unpack(_exactly(link, _LENGTHS.size))
    if text_length > MAX_JSON or length > MAX_BYTES:
        raise WireError(f'a message of {text_length} and {length} bytes is too long')
    text = _exactly(link, text_length)
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(f'a message is no JSON: {error}') from error
    if not isinstance(message, dict):
        raise WireError('a message is no JSON object')
    return message, _exactly(link, length)


def _exactly(link: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count:
        try:
            part = link.recv(min(count - len(found), 1 << 20))
        except TimeoutError:
            raise
        except OSError as error:
            raise WireError(f'the other end is gone: {error}') from error
        if not part:
            raise WireError('the other end is gone')
        found += part
    return bytes(found)
