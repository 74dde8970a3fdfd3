"""One Feetech bus. feetech-servo-sdk opens the port, packs and sends; this module receives.

The SDK's receive polls without sleeping (34 ms of a core for one lost answer). Its group read
discards the error byte, and discards all answers if one is missing. Here the thread sleeps until
the last byte has arrived, a lost answer costs `answer_timeout`, and the other answers are used.
"""

import os
import select
import termios
import time
from typing import Any

from scservo_sdk import BROADCAST_ID, INST_PING, INST_SYNC_WRITE, PacketHandler, PortHandler
from serial import SerialTimeoutException

from so101_node.errors import CellError

BY_ID = '/dev/serial/by-id'
BAUD_RATE = 1_000_000
TRIES = 3  # of reading or writing one servo
SINGLE_TIMEOUT = 0.02  # s at least for one servo; it answers late while it writes its EEPROM
BYTE = 10 / BAUD_RATE  # s on the wire, 8N1


class PortLost(CellError):
    """The port, or a servo behind it, is lost; it may come back."""


def absent_port(path: str) -> str:
    """Return the sentence for a missing port, with the ports that exist."""
    try:
        present = ', '.join(sorted(os.listdir(BY_ID)))
    except OSError:
        present = ''
    return f'{path}: no such port; {BY_ID} shows ' + (
        present or 'nothing: plug the arm in and switch it on'
    )


def parse_status_packets(buffer: bytes, length: int):
    """Find status packets with `length` bytes of data in `buffer`.

    Returns ([(id, error byte, data)], the rest that may begin a packet, number of bad checksums).
    """
    packets: list[tuple[int, int, bytes]] = []
    bad, at, size = 0, 0, length + 6
    while True:
        at = buffer.find(b'\xff\xff', at)
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

    def clearPort(self):
        pass

    def writePort(self, packet):
        self.packet = bytes(packet)
        return len(packet)

    def setPacketTimeout(self, length):
        pass


class Bus:
    """The servos `ids` on the serial port `path`. Not thread-safe: one owner at a time."""

    def __init__(self, path: str, ids: tuple[int, ...], answer_timeout: float = 0.0025):
        self.path, self.ids = path, tuple(ids)
        self.answer_timeout = answer_timeout
        self.requested = self.lost = self.bad_checksums = 0
        self._packets = PacketHandler(0)
        self._sync_reads: dict[tuple[int, int], bytes] = {}
        self._port: Any = None  # the SDK's PortHandler
        self.open()

    def open(self) -> None:
        """Open the port; CellError, with the remedy, if that fails."""
        port = PortHandler(self.path)
        port.baudrate = BAUD_RATE
        if not os.path.exists(self.path):
            raise CellError(absent_port(self.path))
        try:
            port.openPort()
            port.ser.exclusive = True
            port.ser.write_timeout = 0.1  # a port that accepts no bytes must not block the thread
        except PermissionError:
            raise self._denied() from None
        except (OSError, termios.error) as error:
            if getattr(error, 'errno', None) == 13:
                raise self._denied() from None
            if port.is_open:
                port.closePort()
            raise CellError(
                f'{self.path}: cannot be opened for this process alone ({error}); end the '
                'program that uses it, or name the right port'
            ) from error
        self._port, self._fd = port, port.ser.fileno()
        self._wake_at = 0  # number of bytes that wakes the reader
        self._wire_free = 0.0  # monotonic s at which the last byte is sent
        self._pending = (), 0, 0.0  # servos, data length and deadline of the current read

    def _denied(self) -> CellError:
        return CellError(
            f'{self.path}: permission denied; add yourself to its group '
            '(sudo usermod -aG dialout $USER) and log in again'
        )

    def close(self) -> None:
        """Close the port; safe to repeat."""
        if self._port.is_open:
            self._port.closePort()

    def _lost_port(self, error) -> PortLost:
        return PortLost(f'{self.path}: the port is gone ({error}); check cable and power')

    # --- sending -----------------------------------------------------------------------------
    def _build_packet(self, make, *args) -> bytes:
        """Return the packet that a method of the SDK builds."""
        port = _PacketCapture()
        make(port, *args)
        return port.packet

    def _send(self, packet: bytes) -> None:
        try:
            self._port.writePort(packet)
        except SerialTimeoutException:  # not sent in time: handled like a lost answer
            self._port.ser.reset_output_buffer()
        except (OSError, termios.error, TypeError) as error:  # TypeError: pyserial, closed port
            raise self._lost_port(error) from error
        self._wire_free = max(self._wire_free, time.monotonic()) + len(packet) * BYTE

    def _request(self, packet: bytes, servos, length: int, timeout: float) -> None:
        """Discard late answers, then send a packet that the servos answer."""
        try:
            self._port.ser.reset_input_buffer()
        except (OSError, termios.error, TypeError) as error:
            raise self._lost_port(error) from error
        self._send(packet)
        self.requested += len(servos)
        deadline = self._wire_free + len(servos) * (length + 6) * BYTE + timeout
        self._pending = servos, length, deadline

    # --- receiving ---------------------------------------------------------------------------
    def _wake_up_at(self, count: int) -> None:
        """Make `select` report the port when `count` bytes have arrived, not at each byte."""
        if count != self._wake_at:
            attributes = termios.tcgetattr(self._fd)
            attributes[6][termios.VMIN], attributes[6][termios.VTIME] = min(count, 255), 0
            termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
            self._wake_at = count

    def _collect(self) -> dict:
        """Return {id: (error byte, data)} of the addressed servos that answered in time.

        Of two answers with the same id, one has a corrupt id, so both are dropped.
        """
        wanted, length, deadline = self._pending
        answers: dict[int, tuple[int, bytes]] = {}
        twice, buffer = set(), b''
        try:
            while len(answers) < len(wanted):
                missing = (len(wanted) - len(answers)) * (length + 6)
                self._wake_up_at(max(missing - len(buffer), 1))
                left = deadline - time.monotonic()
                full = bool(select.select([self._fd], [], [], max(left, 0.0))[0])
                chunk = self._read_available(missing)
                if full and not chunk:
                    raise OSError('end of file')
                packets, buffer, bad = parse_status_packets(buffer + chunk, length)
                self.bad_checksums += bad
                for servo, error, data in packets:
                    if servo in answers:
                        twice.add(servo)
                    if servo in wanted:
                        answers[servo] = error, data
                if not full or left <= 0.0:
                    break
        except (OSError, termios.error) as error:
            raise self._lost_port(error) from error
        for servo in twice:
            del answers[servo]
        self.lost += len(wanted) - len(answers)
        return answers

    def _read_available(self, count: int) -> bytes:
        """Read what has arrived, at least up to `count` bytes: Linux returns it in pieces."""
        taken = b''
        while len(taken) < count:
            try:
                chunk = os.read(self._fd, 4096)
            except BlockingIOError:
                break
            if not chunk:
                break
            taken += chunk
        return taken

    # --- one servo ---------------------------------------------------------------------------
    def _transact(self, servo: int, length: int, make, *args):
        packet = self._build_packet(make, *args)
        for _ in range(TRIES):
            self._request(packet, (servo,), length, max(SINGLE_TIMEOUT, 5 * self.answer_timeout))
            answer = self._collect().get(servo)
            if answer:
                return answer
        raise CellError(f'{self.path}: servo {servo} does not answer; check its plug and power')

    def ping(self, servo: int) -> int:
        """Return the error byte of a servo; CellError if it does not answer."""
        return self._transact(servo, 0, self._packets.txPacket, [0, 0, servo, 2, INST_PING, 0])[0]

    def read(self, servo: int, address: int, length: int) -> tuple[int, bytes]:
        """Return (error byte, `length` bytes from `address`); CellError without an answer."""
        return self._transact(servo, length, self._packets.readTx, servo, address, length)

    def write(self, servo: int, address: int, length: int, value: int) -> int:
        """Write an unsigned value of 1 or 2 bytes; return the error byte.

        CellError if the servo does not answer.
        """
        data = value.to_bytes(length, 'little')
        return self._transact(servo, 0, self._packets.writeTxOnly, servo, address, length, data)[0]

    # --- all servos --------------------------------------------------------------------------
    def begin_read(self, address: int, length: int, before: bytes = b'') -> None:
        """Request a block from all servos; `finish_read` collects the answers.

        before: a packet without answers that is sent first, in the same write.
        """
        key = address, length
        if key not in self._sync_reads:
            self._sync_reads[key] = self._build_packet(
                self._packets.syncReadTx, address, length, self.ids, len(self.ids)
            )
        self._request(before + self._sync_reads[key], self.ids, length, self.answer_timeout)

    def finish_read(self) -> dict[int, tuple[int, bytes]]:
        """Return {id: (error byte, data)} of the servos that answered `begin_read` in time."""
        return self._collect()

    def sync_read(self, address: int, length: int) -> dict[int, tuple[int, bytes]]:
        """Do `begin_read` and `finish_read`."""
        self.begin_read(address, length)
        return self.finish_read()

    def sync_write_packet(self, address: int, values) -> bytes:
        """Return the packet that writes one unsigned 16-bit value per servo, in `ids` order."""
        body = bytearray((BROADCAST_ID, 3 * len(self.ids) + 4, INST_SYNC_WRITE, address, 2))
        for servo, value in zip(self.ids, values):
            body += bytes((servo, value & 0xFF, value >> 8))
        body.append(~sum(body) & 0xFF)
        return b'\xff\xff' + body

    def sync_write(self, address: int, values) -> None:
        """Send a `sync_write_packet`; servos do not answer."""
        self._send(self.sync_write_packet(address, values))
