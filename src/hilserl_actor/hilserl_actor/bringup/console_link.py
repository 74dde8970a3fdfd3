"""The link to the console's page, which has its token. Bring-up makes it, and the nodes read it.

It is in the environment, because other users can read a command line.
"""

from collections.abc import Mapping
from functools import cache
import secrets
import socket
from urllib.parse import parse_qs, urlsplit

from so101_node.errors import CellError

VARIABLE = 'HILSERL_CONSOLE'  # environment variable with the link
TOKEN_BYTES = 16
_ALL = ('0.0.0.0', '::')  # every address of this computer


@cache
def make_link(host: str, port: int) -> str:
    """Return a link with a new token. port: 0 for a free one. CellError if it cannot be had.

    The parts of a first session are one process: its page keeps its link.
    """
    port = _free_port(host, port)
    shown = socket.gethostname() if host in _ALL else host
    shown = f'[{shown}]' if ':' in shown else shown
    return f'http://{shown}:{port}/?token={secrets.token_urlsafe(TOKEN_BYTES)}'


def link_in(environment: Mapping[str, str]) -> str:
    """Return the link that bring-up made; '' if there is none."""
    return environment.get(VARIABLE, '')


def port_and_token(link: str) -> tuple[int, str]:
    """Return port and token of a link; CellError if it is none."""
    parts = urlsplit(link)
    tokens = parse_qs(parts.query).get('token', [])
    try:
        port = parts.port or 0
    except ValueError:
        port = 0
    if not port or len(tokens) != 1:
        raise CellError(f'{VARIABLE} is not the link of a console; start it with ./cell')
    return port, tokens[0]


def _free_port(host: str, port: int) -> int:
    """Return the port, or a free one for 0; CellError if the address cannot be used."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        raise CellError(
            f'the console cannot use console_host:={host} console_port:={port} '
            f'({error.strerror or error}); leave them out, or console:=false starts none'
        ) from None
