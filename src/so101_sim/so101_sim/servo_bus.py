"""A half-duplex bus of emulated servos behind a pseudo-terminal, with the timing of a real bus.

The pseudo-terminal behaves like a USB serial adapter with servos. A thread blocks until bytes
arrive, answers for all addressed servos in one write, and sends no answer before its last bit
could have arrived at the port's baud rate.
"""

import ctypes
import errno
import os
from pathlib import Path
import select
import termios
import threading
import time
import tty

from so101_node.durable import replace_link
from so101_node.errors import CellError

from .sts3215 import Sts3215
from .wire_faults import WireFaults

PING, READ, WRITE, REG_WRITE, ACTION, SYNC_READ, SYNC_WRITE = 1, 2, 3, 4, 5, 0x82, 0x83
BROADCAST = 0xFE
MAX_READ = 250  # bytes of one answer; the length field limits them
# If a packet is incomplete after this pause, it is noise: search the next header behind its own.
PACKET_GAP = 0.002  # s
PR_SET_TIMERSLACK = 29
UNPLUGGED_POLL = 0.005  # s between polls while no process has the port open
SPEEDS = {getattr(termios, f'B{rate}'): rate for rate in (38400, 57600, 115200, 500000, 1000000)}


class PacketParser:
    """Finds instruction packets in a stream of bytes."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, int, bytes, int]]:
        """Add bytes; return complete valid packets as (id, instruction, parameters, length)."""
        self.buffer += data
        return self._scan()

    def resync(self) -> list[tuple[int, int, bytes, int]]:
        """Drop the incomplete packet's header; return complete packets behind it."""
        del self.buffer[:1]
        return self._scan()

    def _scan(self) -> list[tuple[int, int, bytes, int]]:
        buffer = self.buffer
        packets: list[tuple[int, int, bytes, int]] = []
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


def status_packet(servo: Sts3215, data: bytes = b'') -> bytes:
    """Return the answer of a servo."""
    body = bytes((servo.id, len(data) + 2, servo.error)) + data
    return b'\xff\xff' + body + bytes((~sum(body) & 0xFF,))


class ServoBus:
    """Servos on one bus, reachable through `path` between `start` and `stop`."""

    def __init__(self, path: str, servos: list[Sts3215]):
        self.path = os.path.abspath(path)
        self.servos = list(servos)
        self.faults = WireFaults()
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
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
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
            events = dict(poll.poll(PACKET_GAP * 1000 if self._parser.buffer else None))
            if self._stopping.is_set():
                return
            arrived, data = time.perf_counter(), self._read()
            if data is None:  # hang-up: no process has it open
                self._parser.buffer.clear()
                self._stopping.wait(UNPLUGGED_POLL)
            elif data or events:
                self._handle(self._parser.feed(data), arrived)
            else:
                self._handle(self._parser.resync(), arrived)

    def _read(self) -> bytes | None:
        try:
            return os.read(self._master, 4096)
        except BlockingIOError:
            return b''
        except OSError as error:
            if error.errno == errno.EIO:
                return None
            raise

    def _handle(self, packets, arrived: float) -> None:
        for servo_id, instruction, parameters, length in packets:
            baud_rate = SPEEDS.get(termios.tcgetattr(self._master)[5])
            receiving = [s for s in self.servos if s.baud_rate == baud_rate and s.powered]
            answers, delay = self._execute(receiving, servo_id, instruction, parameters)
            answer, late = self.faults.apply(answers)
            # The request occupies the bus first, then the answers.
            bits = 10 * (length + len(answer))
            # Count from the arrival: real servos need no time that Python needs for the answer.
            start = max(arrived, self._wire_free)
            self._wire_free = start + bits / (baud_rate or 1_000_000) + delay + late
            if answer:
                pause = self._wire_free - time.perf_counter()
                if pause > 0:
                    time.sleep(pause)
                self._write(answer)

    def _write(self, answer: bytes) -> None:
        try:
            os.write(self._master, answer)
        except BlockingIOError:
            pass  # without a reader the bytes are lost, as on a real bus
        except OSError as error:
            if error.errno != errno.EIO:
                raise

    @staticmethod
    def _execute(servos, servo_id, instruction, parameters) -> tuple[list[bytes], float]:
        """Execute a packet; return the status packets and the sum of the servos' delays, s."""
        by_id = {s.id: s for s in servos}
        if instruction == SYNC_WRITE:
            if len(parameters) >= 2:
                address, size = parameters[0], parameters[1]
                for at in range(2, len(parameters) - size, size + 1):
                    servo = by_id.get(parameters[at])
                    if servo:
                        servo.write(address, parameters[at + 1 : at + 1 + size])
            return [], 0.0
        if instruction == SYNC_READ:
            if len(parameters) < 2 or parameters[1] > MAX_READ:
                return [], 0.0
            asked = [by_id[i] for i in parameters[2:] if i in by_id]
            answers = [status_packet(s, s.read(*parameters[:2])) for s in asked]
            return answers, sum(s.return_delay for s in asked)
        if servo_id == BROADCAST:
            addressed = sorted(servos, key=lambda s: s.id)
        else:
            addressed = [by_id[servo_id]] if servo_id in by_id else []
        answers = []
        for servo in addressed:
            if instruction == PING:
                answers.append(status_packet(servo))
                continue
            if servo_id != BROADCAST and instruction == READ:
                if len(parameters) == 2 and parameters[1] <= MAX_READ:
                    answers.append(status_packet(servo, servo.read(*parameters)))
                continue
            if instruction == WRITE and len(parameters) >= 2:
                servo.write(parameters[0], parameters[1:])
            elif instruction == REG_WRITE and len(parameters) >= 2:
                servo.reg_write(parameters[0], parameters[1:])
            elif instruction == ACTION:
                servo.action()
            else:
                continue
            if servo_id != BROADCAST and servo.answers_writes:
                answers.append(status_packet(servo))
        return answers, sum(s.return_delay for s in addressed) if answers else 0.0
