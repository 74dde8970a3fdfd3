"""Network namespaces joined by a slow, lossy line: every packet passes through one process.

Not every kernel has netem, so delay, loss, rate and cuts are made here, packet by packet, between
TUN devices: of an arm, a learner, and a stranger on the same network. It needs root and
/dev/net/tun. `python -m hilserl_tests.slow_network` is the process that forwards; `SlowNetwork`
starts it and tells it the line's condition.
"""

from collections import deque
from collections.abc import Iterator, Sequence
import contextlib
import ctypes
from dataclasses import asdict, dataclass
import fcntl
import json
import os
from pathlib import Path
import random
import select
import shutil
import socket
import struct
import subprocess
import sys
import time

ARM, LEARNER, STRANGER = 'arm', 'learner', 'stranger'
ADDRESSES = {ARM: '10.77.0.1', LEARNER: '10.77.0.2', STRANGER: '10.77.0.3'}
TCP = Path('/proc/sys/net/ipv4/tcp_congestion_control')  # of the namespace that reads it
QUEUE = 1000  # packets that may wait in one direction, as netem's default
_DEVICE = 'line'
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI, _CLONE_NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000


@dataclass(frozen=True)
class Line:
    """The line, in each direction. delay: s. loss: 0 to 1. rate: bit/s. cut: nothing passes."""

    delay: float = 0.0
    loss: float = 0.0
    rate: float = 1e9
    cut: bool = False


class SlowNetwork:
    """The namespaces and the line between them. `refusal()` says why there can be none.

    captured: file that gets every packet, for a test that looks for what must not be readable.
    tcp: congestion control in all; '': that of this host.
    """

    def __init__(self, captured: Path | None = None, tcp: str = ''):
        self._names = {side: f'hilserl-{os.getpid()}-{side}' for side in ADDRESSES}
        for name in self._names.values():
            subprocess.run(['ip', 'netns', 'add', name], check=True)
        words = [sys.executable, '-m', __name__, *self._names.values(), str(captured or ''), tcp]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def set(self, line: Line) -> dict[str, int]:
        """Change the line; return the bytes that each side has sent so far."""
        assert self._process.stdin and self._process.stdout  # pipes
        self._process.stdin.write(json.dumps(asdict(line)) + '\n')
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, 'the process of the slow network has ended'
        sent: dict[str, int] = json.loads(answer)
        return sent

    def within(self, side: str, words: Sequence[str]) -> list[str]:
        """Return the command line that runs `words` in the namespace of one side."""
        return ['ip', 'netns', 'exec', self._names[side], *words]

    def close(self) -> None:
        """Remove the namespaces. What ran in them must have ended."""
        self._process.kill()
        self._process.wait()
        for name in self._names.values():
            subprocess.run(['ip', 'netns', 'del', name], check=False)


def refusal() -> str:
    """Return why no network namespaces can be made here, or ''."""
    if not shutil.which('ip'):
        return 'the program ip is missing; install it with: sudo apt-get install iproute2'
    if not os.access('/dev/net/tun', os.R_OK | os.W_OK):
        return '/dev/net/tun cannot be opened; a container needs --device /dev/net/tun'
    name = f'hilserl-{os.getpid()}-probe'
    done = subprocess.run(['ip', 'netns', 'add', name], capture_output=True, text=True)
    if done.returncode:
        return f'network namespaces are not permitted here ({done.stderr.strip()}); run it as root'
    subprocess.run(['ip', 'netns', 'del', name], check=True)
    return ''


@contextlib.contextmanager
def slow_network(captured: Path | None = None, tcp: str = '') -> Iterator[SlowNetwork]:
    """Make the network for the time of a `with` block."""
    network = SlowNetwork(captured, tcp)
    try:
        network.set(Line())  # it is there
        yield network
    finally:
        network.close()


class Direction:
    """The packets on their way from one side to the others. Times: s of a steady clock."""

    def __init__(self) -> None:
        self.sent = 0  # bytes, those that were lost included
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0  # when the line has sent what is before the next packet

    def take(self, packet: bytes, line: Line, now: float, chance: float) -> None:
        """Put a packet on the line, or lose it. chance: random, 0 to 1."""
        self.sent += len(packet)
        if line.cut or chance < line.loss or len(self._waiting) >= QUEUE:
            return
        self._free_at = max(now, self._free_at) + 8 * len(packet) / line.rate
        self._waiting.append((self._free_at + line.delay, packet))

    def arrived(self, line: Line, now: float) -> Iterator[bytes]:
        """Yield the packets that have arrived; a cut loses those on their way."""
        if line.cut:
            self._waiting.clear()
        while self._waiting and self._waiting[0][0] <= now:
            yield self._waiting.popleft()[1]

    def next_arrival(self) -> float:
        """Return when the next packet arrives; inf: none is on its way."""
        return self._waiting[0][0] if self._waiting else float('inf')


def _device(namespace: str, address: str, tcp: str) -> int:
    """Enter a network namespace and return a new TUN device in it."""
    with open(f'/var/run/netns/{namespace}', encoding='ascii') as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f'namespace {namespace} cannot be entered')
    if tcp:
        TCP.write_text(tcp, encoding='ascii')
    device = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(
        device, _TUNSETIFF, struct.pack('16sH22x', _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI)
    )
    for words in (
        ['addr', 'add', f'{address}/24', 'dev', _DEVICE],
        ['link', 'set', _DEVICE, 'mtu', '1500', 'up'],
        ['link', 'set', 'lo', 'up'],
    ):
        subprocess.run(['ip', *words], check=True)
    return device


def _forward(devices: dict[str, int], captured: str) -> None:
    """Forward packets until stdin ends; each line of stdin is a `Line` as JSON."""
    line, random_ = Line(), random.Random(0)
    ways = {side: Direction() for side in devices}
    to = {socket.inet_aton(ADDRESSES[side]): device for side, device in devices.items()}
    with open(captured or os.devnull, 'wb') as capture:
        while True:
            now = time.monotonic()
            wait = min(way.next_arrival() for way in ways.values()) - now
            timeout = None if wait == float('inf') else max(0.0, wait)
            ready, _, _ = select.select([0, *devices.values()], [], [], timeout)
            now = time.monotonic()
            for side, device in devices.items():
                while device in ready:
                    try:
                        packet = os.read(device, 65535)
                    except BlockingIOError:
                        break
                    capture.write(packet)
                    ways[side].take(packet, line, now, random_.random())
                for packet in ways[side].arrived(line, now):
                    # a full device loses it; a packet to no side (IPv6) goes nowhere
                    with contextlib.suppress(OSError, KeyError):
                        os.write(to[packet[16:20]], packet)
            if 0 in ready:
                text = sys.stdin.readline()
                if not text:
                    return
                line = Line(**json.loads(text))
                capture.flush()
                print(json.dumps({side: way.sent for side, way in ways.items()}), flush=True)


def main() -> None:
    """Forward between the namespaces that the command line names."""
    *namespaces, captured, tcp = sys.argv[1:]
    devices = {
        side: _device(name, address, tcp)
        for name, (side, address) in zip(namespaces, ADDRESSES.items())
    }
    with contextlib.suppress(PermissionError):  # it must not be the slowest part
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(3))
    _forward(devices, captured)


if __name__ == '__main__':
    main()
