"""Keeps DDS on this host: which variables bind it to loopback, and what is bound beyond.

ROS 2's range LOCALHOST limits discovery only: Fast DDS still receives at every address of the
host, and adds its own transports to those of a profile. With the range SYSTEM_DEFAULT it uses the
profile `so101_loopback.xml` as it is. A user's own profile, middleware or wider range is kept.

`python -m so101_node.loopback COMMAND ...` runs a command with these variables.
"""

from collections.abc import Mapping
import ipaddress
import os
from pathlib import Path
import sys

from .errors import CellError

RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
PROFILE = Path(__file__).with_name('so101_loopback.xml')
_PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_FAST_DDS = ('', 'rmw_fastrtps_cpp', 'rmw_fastrtps_dynamic_cpp')
_TCP_LISTEN = '0A'


def loopback_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set, given the environment so far."""
    if beyond_this_host(environ):
        return {}
    given = environ.get(RANGE, '')
    if given == 'OFF':
        return {}
    if environ.get('RMW_IMPLEMENTATION', '') not in _FAST_DDS or _own_profile(environ):
        return {RANGE: 'LOCALHOST'}
    # Fast DDS 2 (Jazzy) reads the second name only; Fast DDS 3 warns of it.
    variable = _PROFILE_VARIABLES[environ.get('ROS_DISTRO') == 'jazzy']
    bound = {RANGE: 'SYSTEM_DEFAULT', variable: str(PROFILE)}
    if environ.get('ROS_LOCALHOST_ONLY'):
        # In Jazzy, 1 would set the range LOCALHOST, and with it Fast DDS's own transports.
        bound['ROS_LOCALHOST_ONLY'] = ''
    return bound


def beyond_this_host(environ: Mapping[str, str]) -> str:
    """Return the first variable, as NAME=value, that lets other hosts take part, or ''."""
    given = environ.get(RANGE, '')
    confined = given in ('', 'LOCALHOST', 'OFF') or (
        given == 'SYSTEM_DEFAULT' and _has_profile(environ) and not _own_profile(environ)
    )
    if not confined:
        return f'{RANGE}={given}'
    for name in ('ROS_STATIC_PEERS', 'ROS_DISCOVERY_SERVER'):
        if environ.get(name) and given != 'OFF':
            return f'{name}={environ[name]}'
    return 'ROS_LOCALHOST_ONLY=0' if environ.get('ROS_LOCALHOST_ONLY') == '0' else ''


def require_this_host(environ: Mapping[str, str], insecure: bool) -> None:
    """Raise CellError if other hosts could command the arm and nothing authenticates them."""
    setting = beyond_this_host(environ)
    if setting and not insecure and not is_secured(environ):
        raise CellError(
            f'{setting[:200]} lets every computer on the network command the arm; unset it, or '
            f'use SROS 2 (./cell secure), or add insecure:=true'
        )


def is_secured(environ: Mapping[str, str]) -> bool:
    """Return whether SROS 2 is on and refuses nodes without keys."""
    return (
        environ.get('ROS_SECURITY_ENABLE') == 'true'  # ROS 2 ignores other spellings
        and environ.get('ROS_SECURITY_STRATEGY') == 'Enforce'
    )


def sockets_beyond_loopback(process: int | str = 'self') -> list[str]:
    """Return what a process receives at from other hosts: 'udp 0.0.0.0:7412', ..."""
    own = set()
    for entry in Path(f'/proc/{process}/fd').iterdir():
        try:
            own.add(os.readlink(entry))
        except OSError:
            continue  # closed meanwhile
    found = []
    for protocol in ('tcp', 'tcp6', 'udp', 'udp6'):
        for line in _table(process, protocol):
            words = line.split()
            address, _, port = words[1].partition(':')
            if f'socket:[{words[9]}]' not in own:
                continue
            if protocol.startswith('tcp') and words[3] != _TCP_LISTEN:
                continue
            if not (host := _address(address)).is_loopback:
                found.append(f'{protocol} {host}:{int(port, 16)}')
    return sorted(found)


def _table(process: int | str, protocol: str) -> list[str]:
    try:
        return Path(f'/proc/{process}/net/{protocol}').read_text(encoding='ascii').splitlines()[1:]
    except OSError:
        return []  # a kernel without IPv6


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address of /proc/net: words of 32 bits in the machine's byte order, in hex."""
    words = [bytes.fromhex(text[i : i + 8]) for i in range(0, len(text), 8)]
    address = ipaddress.ip_address(
        b''.join(word[::-1] if sys.byteorder == 'little' else word for word in words)
    )
    return getattr(address, 'ipv4_mapped', None) or address


def _profiles(environ: Mapping[str, str]) -> list[str]:
    return [environ[name] for name in _PROFILE_VARIABLES if environ.get(name)]


def _has_profile(environ: Mapping[str, str]) -> bool:
    return bool(_profiles(environ))


def _own_profile(environ: Mapping[str, str]) -> bool:
    """Return whether the user named a profile other than that of this suite."""
    return any(Path(file).name != PROFILE.name for file in _profiles(environ))


def main() -> None:
    """Replace this process by a command, with DDS bound to loopback."""
    os.environ.update(loopback_environment(os.environ))
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == '__main__':
    main()
