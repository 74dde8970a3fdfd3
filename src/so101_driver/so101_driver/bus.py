"""One Feetech bus: feetech-servo-sdk opens the port, packs and sends; receiving is done here.

The SDK's receive polls without sleeping (34 ms of a core for one lost answer) and its group read
throws the error byte and everybody's answers away when one is missing. Here the thread sleeps,
a lost answer costs `answer_timeout`, and the servos that did answer are used.
"""
import os
import select
import termios
import time

from scservo_sdk import COMM_SUCCESS, INST_PING, PacketHandler, PortHandler
from serial import SerialTimeoutException

from so101_description.errors import CellError

BY_ID = '/dev/serial/by-id'
BAUD_RATE = 1_000_000
TRIES = 3                # of a read or write of one servo
SINGLE_TIMEOUT = 0.02    # s; a servo that writes its EEPROM answers late


def absent_port(path: str) -> str:
    """Sentence for a port that is not there, with what is."""
    try:
        present = ', '.join(sorted(os.listdir(BY_ID)))
    except OSError:
        present = ''
    return (f'{path}: no such port; {BY_ID} shows '
            + (present or 'nothing: plug the arm in and switch it on'))


def parse_status_packets(buffer: bytes, length: int):
    """Status packets with `length` bytes of data in any bytes.

    Returns ([(id, error byte, data)], the rest that may be the start of one, bad checksums).
    """
    packets, bad, at, size = [], 0, 0, length + 6
    while True:
        at = buffer.find(b'\xff\xff', at)
        if at < 0:
            return packets, buffer[-1:] if buffer.endswith(b'\xff') else b'', bad
        if len(buffer) - at < size:
            return packets, buffer[at:], bad
        if buffer[at + 3] != length + 2:
            at += 1
        elif sum(buffer[at + 2:at + size]) & 0xff != 0xff:  # the checksum is the complement
            bad += 1
            at += 1
        else:
            packets.append((buffer[at + 2], buffer[at + 4], buffer[at + 5:at + 5 + length]))
            at += size


class Bus:
    """The servos `ids` on the serial port `path`. Not thread-safe: one owner at a time."""

    def __init__(self, path: str, ids: tuple[int, ...], answer_timeout: float = 0.003):
        self.path, self.ids = path, tuple(ids)
        self.answer_timeout = answer_timeout
        self.requested = self.lost = self.bad_checksums = 0
        self._port = PortHandler(path)
        self._packets = PacketHandler(0)
        self._port.baudrate = BAUD_RATE
        if not os.path.exists(path):
            raise CellError(absent_port(path))
        try:
            self._port.openPort()
            self._port.ser.exclusive = True
            self._port.ser.write_timeout = 0.1  # a port that nobody empties must not hang us
        except PermissionError:
            raise self._denied() from None
        except (OSError, termios.error) as error:
            if getattr(error, 'errno', None) == 13:
                raise self._denied() from None
            self.close()
            raise CellError(
                f'{path}: cannot be opened for this process alone ({error}); end the program '
                'that uses it, or name the right port') from error
        self._fd = self._port.ser.fileno()

    def _denied(self) -> CellError:
        return CellError(f'{self.path}: permission denied; add yourself to its group '
                         '(sudo usermod -aG dialout $USER) and log in again')

    def close(self) -> None:
        """Give the port back; safe to repeat."""
        if self._port.is_open:
            self._port.closePort()

    def _lost_port(self, error) -> CellError:
        return CellError(f'{self.path}: the port is gone ({error}); check cable and power, '
                         'then start again')

    def _send(self, send, *args) -> None:
        """Let the SDK send one packet, after what late answers left behind is dropped."""
        try:
            self._port.ser.reset_input_buffer()
            result = send(self._port, *args)
        except SerialTimeoutException:      # not taken in time: as good as an answer lost
            self._port.ser.reset_output_buffer()
            return
        except (OSError, termios.error, TypeError) as error:  # TypeError: pyserial, closed port
            raise self._lost_port(error) from error
        finally:
            self._port.is_using = False
        if result != COMM_SUCCESS:
            raise self._lost_port(self._packets.getTxRxResult(result))

    def _receive(self, wanted, length: int, sent: int, timeout: float) -> dict:
        """{id: (error byte, data)} of those wanted that answered within the time."""
        wire = (sent + len(wanted) * (length + 6)) * 10 / BAUD_RATE
        deadline = time.monotonic() + wire + timeout
        time.sleep(0.9 * wire)  # nothing is complete before: one wake-up instead of one a packet
        answers, buffer = {}, b''
        self.requested += len(wanted)
        try:
            while len(answers) < len(wanted):
                left = deadline - time.monotonic()
                if not select.select([self._fd], [], [], max(left, 0.0))[0]:
                    break
                chunk = os.read(self._fd, 4096)
                if not chunk:
                    raise OSError('end of file')
                packets, buffer, bad = parse_status_packets(buffer + chunk, length)
                self.bad_checksums += bad
                for servo, error, data in packets:
                    if servo in wanted:
                        answers[servo] = error, data
                if left <= 0.0:
                    break
        except OSError as error:
            raise self._lost_port(error) from error
        self.lost += len(wanted) - len(answers)
        return answers

    def _transact(self, servo: int, length: int, sent: int, send, *args):
        for _ in range(TRIES):
            self._send(send, *args)
            answer = self._receive((servo,), length, sent, SINGLE_TIMEOUT).get(servo)
            if answer:
                return answer
        raise CellError(f'{self.path}: servo {servo} does not answer; check its plug and power')

    def ping(self, servo: int) -> int:
        """Error byte of a servo that is there; CellError if it does not answer."""
        packet = [0, 0, servo, 2, INST_PING, 0]
        return self._transact(servo, 0, 6, self._packets.txPacket, packet)[0]

    def read(self, servo: int, address: int, length: int) -> tuple[int, bytes]:
        """(error byte, `length` bytes from `address`); CellError if it does not answer."""
        return self._transact(
            servo, length, 8, self._packets.readTx, servo, address, length)

    def write(self, servo: int, address: int, length: int, value: int) -> int:
        """Write an unsigned value of 1 or 2 bytes; error byte; CellError without an answer."""
        data = value.to_bytes(length, 'little')
        return self._transact(
            servo, 0, 7 + length, self._packets.writeTxOnly, servo, address, length, data)[0]

    def sync_read(self, address: int, length: int) -> dict[int, tuple[int, bytes]]:
        """{id: (error byte, data)} of the servos that answered, one request for all."""
        self._send(self._packets.syncReadTx, address, length, self.ids, len(self.ids))
        return self._receive(self.ids, length, 8 + len(self.ids), self.answer_timeout)

    def sync_write(self, address: int, values) -> None:
        """Write one unsigned 16-bit value a servo, in `ids` order; servos do not answer."""
        data = []
        for servo, value in zip(self.ids, values):
            data += servo, value & 0xff, value >> 8
        self._send(self._packets.syncWriteTxOnly, address, 2, data, len(data))
