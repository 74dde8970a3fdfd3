"""Packets of the servos' protocol. feetech-servo-sdk packs those of single servos and sync reads.

The SDK has no function that only packs, so it sends to an object that keeps the packet.
"""

from collections.abc import Callable, Iterable, Sequence

from scservo_sdk import BROADCAST_ID, INST_SYNC_WRITE

HEADER = b'\xff\xff'
FRAME = 6  # bytes of a status packet besides its data: header, id, length, error, checksum


def parse_status_packets(
    buffer: bytes, length: int
) -> tuple[list[tuple[int, int, bytes]], bytes, int]:
    """Find status packets with `length` bytes of data in `buffer`.

    Returns ([(id, error byte, data)], the rest that may begin a packet, number of bad checksums).
    """
    packets: list[tuple[int, int, bytes]] = []
    bad, at, size = 0, 0, length + FRAME
    while True:
        at = buffer.find(HEADER, at)
        if at < 0:
            return packets, buffer[-1:] if buffer.endswith(b'\xff') else b'', bad
        if len(buffer) - at < size:
            return packets, buffer[at:], bad
        if buffer[at + 3] != length + 2:
            at += 1
        elif sum(buffer[at + 2 : at + size]) & 0xFF != 0xFF:  # the checksum is the complement
            bad += 1
            at += 1
        else:
            packets.append((buffer[at + 2], buffer[at + 4], buffer[at + 5 : at + 5 + length]))
            at += size


class _PacketCapture:
    """Replaces the SDK's port: it keeps the packet instead of sending it."""

    is_using = False
    packet = b''

    def clearPort(self) -> None:
        pass

    def writePort(self, packet: Sequence[int]) -> int:
        self.packet = bytes(packet)
        return len(packet)

    def setPacketTimeout(self, length: int) -> None:
        pass


def build_packet(make: Callable[..., object], *args: object) -> bytes:
    """Return the packet that a method of the SDK's PacketHandler builds."""
    port = _PacketCapture()
    make(port, *args)
    return port.packet


def sync_write_packet(address: int, length: int, rows: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the packet that writes `length` bytes per servo, without answers.

    rows: (servo id, data).
    """
    data = b''.join([bytes((servo,)) + block for servo, block in rows])
    body = bytes((BROADCAST_ID, len(data) + 4, INST_SYNC_WRITE, address, length)) + data
    return HEADER + body + bytes((~sum(body) & 0xFF,))
