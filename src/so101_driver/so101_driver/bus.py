"""One Feetech bus: requests to the servos, and their answers.

The SDK's receive polls without sleeping (34 ms of a core for one lost answer). Its group read
discards the error byte, and discards all answers if one is missing. Here the thread sleeps until
the last byte has arrived, a lost answer costs `answer_timeout`, and the other answers are used.

Answers have no number. So that a late one is not taken for the answer to a later question, a sync
read after a loss asks for more bytes than before, and a question to one servo waits for silence.
"""

from collections.abc import Callable, Iterable, Sequence
import os
import select
import termios
import time
from typing import Any

from scservo_sdk import INST_PING, PacketHandler

from so101_node.errors import CellError

from .packets import FRAME, build_packet, parse_status_packets, sync_write_packet
from .serial_port import BAUD_RATE, open_port

Answer = tuple[int, bytes]  # error byte, data
Request = tuple[tuple[int, ...], int, float]  # servos, data length, deadline

TRIES = 3  # of reading or writing one servo
SINGLE_TIMEOUT = 0.02  # s at least for one servo; it answers late while it writes its EEPROM
BYTE = 10 / BAUD_RATE  # s on the wire, 8N1
# s that an answer may be late beyond its time-out, at least: FTDI's latency timer
LATE = 0.016
WRITE_TIME = 0.1  # s; a port that accepts no bytes must not block the thread
SPARE_LENGTHS = 8  # after as many reads without a loss, the usual length is used again


class PortLost(CellError):
    """The port, or a servo behind it, is lost; it may come back."""


class NoAnswer(CellError):
    """A servo does not answer; it has no power, or its bus is slow."""


class Bus:
    """The servos `ids` on the serial port `path`. Not thread-safe: one owner at a time."""

    def __init__(self, path: str, ids: tuple[int, ...], answer_timeout: float = 0.0025):
        self.path, self.ids = path, tuple(ids)
        self.answer_timeout = answer_timeout
        self.requested = self.lost = self.bad_checksums = 0
        self._packets = PacketHandler(0)
        self._sync_reads: dict[tuple[int, int], bytes] = {}
        self._port: Any = None  # the SDK's PortHandler
        # bytes that a sync read is for; those it adds; reads since the last loss
        self._length = self._spare = self._clean = 0
        self.open()

    def open(self) -> None:
        """Open the port; CellError, with the remedy, if that fails."""
        self._port = open_port(self.path)
        self._fd = self._port.ser.fileno()
        self._byte = 10 / BAUD_RATE  # s on the wire
        self._wake_at = 0  # number of bytes that wakes the reader
        self._wire_free = 0.0  # monotonic s at which the last byte is sent
        self._pending: Request = (), 0, 0.0  # the current read
        # of `receive`: request, wanted length, bytes
        self._received: tuple[Request, int, bytes] = self._pending, 0, b''
        self._answers: dict[int, Answer] | None = None  # in them; None: not parsed yet
        self._late_until = 0.0  # monotonic s until which an answer that was missed may come

    def set_baud_rate(self, rate: int) -> None:
        """Change the baud rate of the port, until it is opened again."""
        try:
            self._port.ser.baudrate = rate
        except (OSError, ValueError, termios.error) as error:
            raise CellError(f'{self.path}: its adapter has no {rate:,} baud ({error})') from error
        self._byte = 10 / rate
        self._wake_at = 0  # pyserial has set all attributes

    def close(self) -> None:
        """Close the port; safe to repeat."""
        self._fd = -1  # the number of a closed file may become another file's
        if self._port.is_open:
            self._port.closePort()

    def _lost_port(self, error: Exception) -> PortLost:
        return PortLost(f'{self.path}: the port is gone ({error}); check cable and power')

    # --- sending -----------------------------------------------------------------------------
    def _send(self, packet: bytes) -> None:
        try:
            left = self._write(packet)
            if left:
                self._write_rest(left)
        except (OSError, termios.error) as error:
            raise self._lost_port(error) from error
        self._wire_free = max(self._wire_free, time.monotonic()) + len(packet) * self._byte

    def _write(self, packet: bytes) -> bytes:
        """Write what the port accepts at once; return the rest."""
        try:
            return packet[os.write(self._fd, packet) :]
        except BlockingIOError:
            return packet

    def _write_rest(self, packet: bytes) -> None:
        """Write a packet within WRITE_TIME, or discard it: handled like a lost answer."""
        deadline = time.monotonic() + WRITE_TIME
        while packet:
            wait = deadline - time.monotonic()
            if wait <= 0.0:
                termios.tcflush(self._fd, termios.TCOFLUSH)
                return
            select.select([], [self._fd], [], wait)
            packet = self._write(packet)

    def _request(
        self, packet: bytes, servos: tuple[int, ...], length: int, timeout: float
    ) -> None:
        """Discard late answers, then send a packet that the servos answer."""
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except termios.error as error:
            raise self._lost_port(error) from error
        self._send(packet)
        self.requested += len(servos)
        deadline = self._wire_free + len(servos) * (length + FRAME) * self._byte + timeout
        self._pending = servos, length, deadline

    # --- receiving ---------------------------------------------------------------------------
    def _wake_up_at(self, count: int) -> None:
        """Make `select` report the port when `count` bytes have arrived, not at each byte."""
        if count != self._wake_at:
            attributes = termios.tcgetattr(self._fd)
            attributes[6][termios.VMIN], attributes[6][termios.VTIME] = min(count, 255), 0
            termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
            self._wake_at = count

    def _wait_for(self, count: int, deadline: float) -> tuple[bytes, bool]:
        """Return what has arrived when `count` bytes have, or the time is over; and which."""
        try:
            self._wake_up_at(count)
            left = deadline - time.monotonic()
            full = bool(select.select([self._fd], [], [], max(left, 0.0))[0])
            chunk = self._read_available(count)
        except (OSError, termios.error) as error:
            raise self._lost_port(error) from error
        if full and not chunk:
            raise self._lost_port(OSError('end of file'))
        return chunk, full and left > 0.0

    def _collect(
        self, request: Request, received: bytes = b'', may_wait: bool = True
    ) -> dict[int, Answer]:
        """Return {id: (error byte, data)} of the addressed servos that answered in time.

        Of two answers with the same id, one has a corrupt id, so both are dropped.
        received: what has arrived of them. may_wait: whether more may come.
        """
        wanted, length, deadline = request
        answers: dict[int, Answer] = {}
        twice, buffer = set(), b''
        while True:
            packets, buffer, bad = parse_status_packets(buffer + received, length)
            self.bad_checksums += bad
            for servo, error, data in packets:
                if servo in answers:
                    twice.add(servo)
                if servo in wanted:
                    answers[servo] = error, data
            missing = (len(wanted) - len(answers)) * (length + FRAME) - len(buffer)
            if len(answers) >= len(wanted) or not may_wait:
                break
            received, may_wait = self._wait_for(max(missing, 1), deadline)
        for servo in twice:
            del answers[servo]
        if len(answers) < len(wanted):
            self.lost += len(wanted) - len(answers)
            self._spare, self._clean = self._spare % SPARE_LENGTHS + 1, 0
            self._late_until = time.monotonic() + max(LATE, 2 * self.answer_timeout)
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

    def wire_time(self, count: int) -> float:
        """Return the s that `count` bytes take on the wire."""
        return count * self._byte

    def exchange(self, packet: bytes, seconds: float) -> bytes:
        """Send a packet; return all that arrives within `seconds` and the adapter's latency."""
        time.sleep(max(self._late_until - time.monotonic(), 0.0))
        self._request(packet, (), 0, seconds + 5 * self.answer_timeout)
        self._wake_up_at(1)
        received, deadline = b'', self._pending[2]
        while (left := deadline - time.monotonic()) > 0.0:
            if select.select([self._fd], [], [], left)[0]:
                chunk = self._read_available(4096)
                if not chunk:
                    raise self._lost_port(OSError('end of file'))
                received += chunk
        return received

    # --- one servo ---------------------------------------------------------------------------
    def _transact(
        self, servo: int, length: int, make: Callable[..., object], *args: object
    ) -> Answer:
        packet = build_packet(make, *args)
        for _ in range(TRIES):
            time.sleep(max(self._late_until - time.monotonic(), 0.0))
            self._request(packet, (servo,), length, max(SINGLE_TIMEOUT, 5 * self.answer_timeout))
            answer = self._collect(self._pending).get(servo)
            if answer:
                return answer
        raise NoAnswer(f'{self.path}: servo {servo} does not answer; check its plug and power')

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
        """Request a block from all servos; `receive` and `answers` get them.

        before: a packet without answers that is sent first, in the same write.
        """
        self._length = length
        length += self._spare
        key = address, length
        if key not in self._sync_reads:
            self._sync_reads[key] = build_packet(
                self._packets.syncReadTx, address, length, self.ids, len(self.ids)
            )
        self._request(before + self._sync_reads[key], self.ids, length, self.answer_timeout)

    def receive(self) -> None:
        """Receive the answers to `begin_read`; the next one may begin before `answers`."""
        servos, length, deadline = self._pending
        count = len(servos) * (length + FRAME)
        data, may_wait = self._wait_for(count, deadline)
        self._received, self._answers = (self._pending, self._length, data), None
        # As many bytes as all answers have: none is late. Otherwise the next read depends on it.
        if len(data) != count:
            self._answers = self._collect(self._pending, data, may_wait)

    def answers(self) -> dict[int, Answer]:
        """Return {id: (error byte, data)} of the servos that answered in time."""
        request, length, data = self._received
        if self._answers is None:
            self._answers = self._collect(request, data, request is self._pending)
        answers, self._answers = self._answers, {}
        if self._spare:
            self._clean += 1
            if self._clean > SPARE_LENGTHS:
                self._spare = 0
        if request[1] > length:
            return {servo: (error, block[:length]) for servo, (error, block) in answers.items()}
        return answers

    def sync_read(self, address: int, length: int) -> dict[int, Answer]:
        """Do `begin_read`, `receive` and `answers`."""
        self.begin_read(address, length)
        self.receive()
        return self.answers()

    def sync_write_packet(
        self, address: int, values: Iterable[int], ids: Sequence[int] | None = None
    ) -> bytes:
        """Return the packet that writes one unsigned 16-bit value per servo of `ids` (all)."""
        words = [value.to_bytes(2, 'little') for value in values]
        return sync_write_packet(address, 2, zip(self.ids if ids is None else ids, words))

    def write_block(self, servo: int, address: int, data: bytes) -> None:
        """Write bytes of one servo without an answer; another packet may follow at once."""
        self._send(sync_write_packet(address, len(data), [(servo, data)]))

    def send(self, packet: bytes) -> None:
        """Send a packet that no servo answers; nothing if it is empty."""
        if packet:
            self._send(packet)
