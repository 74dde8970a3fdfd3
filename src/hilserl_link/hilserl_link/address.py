"""Addresses of the link, HOST:PORT, and when they need keys."""

import ipaddress
from pathlib import Path
import ssl

from so101_node.errors import CellError
from so101_node.foreign_files import expanded

from . import keys

PORT = 7447


def host_and_port(option: str, text: str) -> tuple[str, int]:
    """Split HOST[:PORT] or [IPV6][:PORT]; CellError if it is none. option: for the sentence."""
    host, port = text, str(PORT)
    if text.startswith('['):
        host, _, rest = text[1:].partition(']')
        port = rest.removeprefix(':') or port
    elif text.count(':') == 1:
        host, _, port = text.partition(':')
    if not host or '/' in host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise CellError(
            f'{option}:={text} is no address: HOST, HOST:PORT or [IPV6]:PORT, such as '
            f'192.168.1.5:{PORT}'
        )
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Return whether this host alone can be reached at the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


def context_of(
    host: str, folder: str, side: str, server: bool, insecure: bool
) -> ssl.SSLContext | None:
    """Return the TLS of a side; None: without encryption, on this host alone or if insecure.

    folder: of the keys; '': link-keys/SIDE in this directory. CellError if keys are needed, or
    cannot be used.
    """
    path = expanded(folder or Path(keys.DIRECTORY) / side).absolute()
    if folder or path.exists():
        return keys.tls(path, server)
    if is_loopback(host) or insecure:
        return None
    raise CellError(
        f'{host} is beyond this host, and there are no keys in {path}: everybody on the network '
        'could read the images and send steps or policies; make keys with ./cell secure --link, '
        'or add insecure:=true'
    )
