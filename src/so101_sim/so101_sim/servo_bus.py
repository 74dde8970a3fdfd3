"""A half-duplex bus of emulated servos behind a pseudo-terminal, with the timing of a real bus.

The pseudo-terminal behaves like a USB serial adapter with servos. A thread blocks until bytes
arrive, answers for all addressed servos in one write, and sends no answer before its last bit
could have arrived at the port's baud rate.
"""

from collections import defaultdict, deque
from collections.abc import Callable
import ctypes
import errno
import fcntl
import os
from pathlib import Path
import select
import struct
import threading
import time
import tty

from so101_node.durable import make_private, replace_link
from so101_node.errors import CellError

from .sts3215 import Sts3215
from .wire_faults import WireFaults

Packet = tuple[int, int, bytes, int]  # id, instruction, parameters, length

PING, READ, WRITE, REG_WRITE, ACTION, SYNC_READ, SYNC_WRITE = 1, 2, 3, 4, 5, 0x82, 0x83
BROADCAST = 0xFE
MAX_READ = 250  # bytes of one answer; the length field limits them
# If a packet is incomplete after this pause, it is noise: search the next header behind its own.
PACKET_GAP = 0.002  # s
PR_SET_TIMERSLACK = 29
UNPLUGGED_POLL = 0.005  # s between polls while no process has the port open
# The struct termios2 has any baud rate as a number; termios.tcgetattr knows standard ones only.
TCGETS2 = 0x802C542A
TERMIOS2 = struct.Struct('4IB19B2I')  # flags, line discipline, characters, input and output speed


class PacketParser:
    """Finds instruction packets in a stream of bytes."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """Add bytes; return complete valid packets as (id, instruction, parameters, length)."""
        self.buffer += data
        return self._scan()

    def resync(self) -> list[Packet]:
        """Drop the incomplete packet's header; return complete packets behind it."""
        del self.buffer[:1]
        return self._scan()

    def _scan(self) -> list[Packet]:
        buffer = self.buffer
        packets: list[Packet] = []
        while True:
            start = buffer.find(b'\xff\xff')
            if start < 0:
                del buffer[: len(buffer) - buffer.endswith(b'\xff')]
                return packets
            del buffer[:start]
            if len(buffer) < 4:
                return packets
            if buffer[2] == 0xFF or buffer[3] < 2:
                del buffer[:1]
                continue
            length = buffer[3] + 4
            if len(buffer) < length:
                return packets
            if (sum(buffer[2:length]) & 0xFF) != 0xFF:
                del buffer[:1]
                continue
            packets.append((buffer[2], buffer[4], bytes(buffer[5 : length - 1]), length))
            del buffer[:length]


def status_packet(servo: Sts3215, data: bytes = b'', servo_id: int | None = None) -> bytes:
    """Return the answer of a servo. servo_id: its id when it was asked, if that has changed."""
    number = servo.id if servo_id is None else servo_id
    body = bytes((number, len(data) + 2, servo.error)) + data
    return b'\xff\xff' + body + bytes((~sum(body) & 0xFF,))


def collide(answers: list[bytes], skew: int) -> bytes:
    """Return what arrives if several servos send at once: a 0 of one servo pulls the line down.

    skew: bit times by which each further servo is late. Equal answers without skew look like one.
    """
    line = -1  # the idle line is 1
    for late, answer in enumerate(answers):
        bits = -1
        for at, byte in enumerate(answer):
            frame = byte << 1 | 1 << 9  # start bit 0, least bit first, stop bit 1
            bits &= ~((~frame & 0x3FF) << 10 * at)
        line &= (bits + 1 << late * skew) - 1  # ones are shifted in
    length = max(map(len, answers))
    return bytes(line >> 10 * at + 1 & 0xFF for at in range(length))


class ServoBus:
    """Servos on one bus, reachable through `path` between `start` and `stop`.

    latency: returns the s by which the adapter holds an answer back. skew: see `collide`.
    """

    def __init__(self, path: str, servos: list[Sts3215]):
        self.path = os.path.abspath(path)
        self.servos = list(servos)
        self.faults = WireFaults()
        self.latency: Callable[[], float] = float
        self.skew = 1
        self._held: deque[tuple[float, bytes]] = deque()  # in the adapter: time, answer
        self.connected = True  # False: the data line is broken, the servos keep their supply
        self._parser = PacketParser()
        self._wire_free = 0.0
        self._stopping = threading.Event()

    def start(self) -> None:
        """Open the pseudo-terminal, link it at `path` and serve it.

        CellError if `path` exists and is not a link, or cannot be created.
        """
        if os.path.lexists(self.path) and not os.path.islink(self.path):
            raise CellError(f'{self.path} exists and is not a link; choose another port path')
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self._terminal = os.ttyname(slave)
        os.close(slave)  # from now on, a hang-up means that no process has it open
        os.set_blocking(self._master, False)
        try:
            make_private(Path(self.path).parent)
            replace_link(Path(self.path), self._terminal)
        except OSError as error:
            os.close(self._master)
            raise CellError(f'cannot link the port {self.path}: {error.strerror}') from error
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(
            target=self._serve, daemon=True, name=f'bus {os.path.basename(self.path)}'
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and remove the link if it is still this bus's."""
        self._stopping.set()
        os.write(self._wake_write, b'.')
        self._thread.join()
        if os.path.islink(self.path) and os.readlink(self.path) == self._terminal:
            os.unlink(self.path)
        for descriptor in (self._master, self._wake_read, self._wake_write):
            os.close(descriptor)

    def slave_open(self) -> bool:
        """Return whether a process has the port open."""
        poll = select.poll()
        poll.register(self._master, 0)  # a hang-up is always reported
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def _serve(self) -> None:
        # By default Linux lets a thread sleep up to 50 us too long.
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            events = dict(poll.poll(self._timeout()))
            self._deliver()
            if self._stopping.is_set():
                return
            arrived, data = time.perf_counter(), self._read()
            if data is None:  # hang-up: no process has it open
                self._parser.buffer.clear()
                self._stopping.wait(UNPLUGGED_POLL)
            elif data or events:
                self._handle(self._parser.feed(data), arrived)
            elif not self._held:
                self._handle(self._parser.resync(), arrived)

    def _timeout(self) -> float | None:
        """Return the ms until something is to be done without a request."""
        if self._held:
            return max(self._held[0][0] - time.perf_counter(), 0.0) * 1000
        return PACKET_GAP * 1000 if self._parser.buffer else None

    def _deliver(self) -> None:
        while self._held and self._held[0][0] <= time.perf_counter():
            self._write(self._held.popleft()[1])

    def _read(self) -> bytes | None:
        try:
            return os.read(self._master, 4096)
        except BlockingIOError:
            return b''
        except OSError as error:
            if error.errno == errno.EIO:
                return None
            raise

    def _handle(self, packets: list[Packet], arrived: float) -> None:
        for servo_id, instruction, parameters, length in packets if self.connected else ():
            baud_rate = self._baud_rate()
            receiving = [s for s in self.servos if s.baud_rate == baud_rate and s.powered]
            answers, delay = self._execute(receiving, servo_id, instruction, parameters, self.skew)
            answer, late = self.faults.apply(answers)
            # The request occupies the bus first, then the answers.
            bits = 10 * (length + len(answer))
            # Count from the arrival: real servos need no time that Python needs for the answer.
            start = max(arrived, self._wire_free)
            self._wire_free = start + bits / (baud_rate or 1_000_000) + delay + late
            if answer and (held := self.latency()):
                before = self._held[-1][0] if self._held else 0.0
                self._held.append((max(self._wire_free + held, before), answer))
            elif answer:
                pause = self._wire_free - time.perf_counter()
                if pause > 0:
                    time.sleep(pause)
                self._write(answer)

    def _baud_rate(self) -> int:
        """Return the baud rate that the client has set, in whichever way."""
        settings = fcntl.ioctl(self._master, TCGETS2, bytes(TERMIOS2.size))
        return int(TERMIOS2.unpack(settings)[-1])

    def _write(self, answer: bytes) -> None:
        try:
            os.write(self._master, answer)
        except BlockingIOError:
            pass  # without a reader the bytes are lost, as on a real bus
        except OSError as error:
            if error.errno != errno.EIO:
                raise

    @staticmethod
    def _execute(
        servos: list[Sts3215], servo_id: int, instruction: int, parameters: bytes, skew: int = 1
    ) -> tuple[list[bytes], float]:
        """Execute a packet; return the answers and the sum of the servos' delays, s.

        Servos with the same id execute the same packet, and their answers collide.
        """
        by_id: dict[int, list[Sts3215]] = defaultdict(list)
        for servo in servos:
            by_id[servo.id].append(servo)
        if instruction == SYNC_WRITE:
            if len(parameters) >= 2:
                address, size = parameters[0], parameters[1]
                for at in range(2, len(parameters) - size, size + 1):
                    for servo in by_id.get(parameters[at], ()):
                        servo.write(address, parameters[at + 1 : at + 1 + size])
            return [], 0.0
        if instruction == SYNC_READ:
            if len(parameters) < 2 or parameters[1] > MAX_READ:
                return [], 0.0
            instruction, groups, parameters = (
                READ,
                [by_id[i] for i in parameters[2:] if i in by_id],
                parameters[:2],
            )
        elif servo_id == BROADCAST:
            groups = [by_id[i] for i in sorted(by_id)]
            if instruction == READ:
                return [], 0.0
        else:
            groups = [by_id[servo_id]] if servo_id in by_id else []
        answers, delay = [], 0.0
        for group in groups:
            found = [_answer(servo, servo_id, instruction, parameters) for servo in group]
            sent = [answer for answer in found if answer]
            if sent:
                answers.append(sent[0] if len(sent) == 1 else collide(sent, skew))
                delay += max(servo.return_delay for servo in group)
        return answers, delay


def _answer(servo: Sts3215, servo_id: int, instruction: int, parameters: bytes) -> bytes:
    """Execute a packet in one servo; return its answer, empty if there is none."""
    number = servo.id  # a servo whose id is changed answers with its old id
    if instruction == PING:
        return status_packet(servo)
    if instruction == READ:
        if len(parameters) == 2 and parameters[1] <= MAX_READ:
            return status_packet(servo, servo.read(*parameters))
        return b''
    if instruction == WRITE and len(parameters) >= 2:
        servo.write(parameters[0], parameters[1:])
    elif instruction == REG_WRITE and len(parameters) >= 2:
        servo.reg_write(parameters[0], parameters[1:])
    elif instruction == ACTION:
        servo.action()
    else:
        return b''
    answered = servo_id != BROADCAST and servo.answers_writes
    return status_packet(servo, servo_id=number) if answered else b''
