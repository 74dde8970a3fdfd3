"""The bus on a real pseudo-terminal, with bytes written by hand, independent of the emulator."""

import contextlib
import itertools
import os
import select
import threading
import time
import tty

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from so101_driver.bus import Bus
from so101_driver.packets import parse_status_packets
from so101_node.errors import CellError

pytestmark = pytest.mark.timing


def status(servo, data=b'', error=0):
    body = bytes([servo, len(data) + 2, error]) + data
    return b'\xff\xff' + body + bytes([~sum(body) & 0xFF])


class Wire:
    """The far end of a port: `answer(request)` returns the chunks to send back."""

    def __init__(self):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.requests, self.answer = [], lambda request: []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while not self._stop.is_set():
            if select.select([self.master], [], [], 0.02)[0]:
                request = os.read(self.master, 1000)
                self.requests.append(request)
                for chunk in self.answer(request):
                    os.write(self.master, chunk)

    def close(self):
        self._stop.set()
        self._thread.join()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def wire():
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def bus(wire, monkeypatch):
    monkeypatch.setattr('so101_driver.bus.SINGLE_TIMEOUT', 0.1)
    bus = Bus(wire.path, (1, 2, 3), answer_timeout=0.05)  # a busy machine answers late
    yield bus
    bus.close()


def test_requests_have_the_bytes_of_the_protocol(wire, bus):
    wire.answer = lambda request: [status(2, bytes(request[6] if request[4] == 2 else 0))]
    bus.ping(2)
    bus.read(2, 56, 2)
    bus.write(2, 42, 2, 0x0834)
    bus.sync_read(56, 15)
    bus.send(bus.sync_write_packet(42, [0x100, 0x203, 0xFFF]))
    time.sleep(0.03)
    assert [r.hex(' ') for r in wire.requests] == [
        'ff ff 02 02 01 fa',
        'ff ff 02 04 02 38 02 bd',
        'ff ff 02 05 03 2a 34 08 8f',
        'ff ff fe 07 82 38 0f 01 02 03 2b',
        'ff ff fe 0d 83 2a 02 01 00 01 02 03 02 03 ff 0f 2b',
    ]


def test_sync_read_accepts_answers_in_any_order_and_returns_error_bytes(wire, bus):
    blocks = {i: bytes([i] * 15) for i in (1, 2, 3)}
    joined = status(3, blocks[3]) + status(1, blocks[1], error=32) + status(2, blocks[2])
    wire.answer = lambda request: [joined[:7], joined[7:30], joined[30:]]
    assert bus.sync_read(56, 15) == {1: (32, blocks[1]), 2: (0, blocks[2]), 3: (0, blocks[3])}
    assert (bus.requested, bus.lost, bus.bad_checksums) == (3, 0, 0)


def test_a_lost_answer_costs_its_timeout_and_the_other_answers_are_used(wire, bus):
    wire.answer = lambda request: [status(1, bytes(request[6])) + status(3, bytes(request[6]))]
    bus.answer_timeout, costs = 0.003, []
    for _ in range(20):
        began = time.monotonic()
        if sorted(bus.sync_read(56, 15)) == [1, 3]:
            costs.append(time.monotonic() - began)
    wire_time = (11 + 3 * 21) * 1e-5
    assert 0.003 <= min(costs) <= wire_time + 0.003 + 0.001
    assert bus.lost >= 20


def test_of_six_servos_five_answers_are_used_when_one_is_lost(wire):
    bus = Bus(wire.path, (1, 2, 3, 4, 5, 6), answer_timeout=0.05)
    wire.answer = lambda request: [b''.join(status(i, bytes(15)) for i in (1, 2, 4, 5, 6))]
    assert sorted(bus.sync_read(56, 15)) == [1, 2, 4, 5, 6]
    bus.close()


def test_a_corrupt_answer_is_dropped_and_counted(wire, bus):
    broken = bytearray(status(2, bytes(15)))
    broken[9] ^= 0x10
    wire.answer = lambda request: [status(1, bytes(15)) + broken + status(3, bytes(15))]
    assert sorted(bus.sync_read(56, 15)) == [1, 3]
    assert (bus.lost, bus.bad_checksums) == (1, 1)


def test_two_answers_with_the_same_id_are_both_dropped(wire, bus):
    wire.answer = lambda request: [
        status(1, bytes(15)) + status(3, b'\x07' * 15) + status(3, bytes(15))
    ]
    assert sorted(bus.sync_read(56, 15)) == [1]
    assert bus.lost == 2


def test_the_answer_behind_a_truncated_one_is_used(wire, bus):
    wire.answer = lambda request: [
        status(1, bytes(15)) + status(2, bytes(15))[:9] + status(3, bytes(15))
    ]
    assert sorted(bus.sync_read(56, 15)) == [1, 3]


def test_a_late_answer_is_not_used_for_the_next_request(wire, bus):
    os.write(wire.master, status(1, b'\x01' * 15))  # a late answer to an earlier request
    wire.answer = lambda request: [status(1, b'\x02' * 15)]
    assert bus.sync_read(56, 15)[1] == (0, b'\x02' * 15)


def test_answers_are_read_after_the_next_request(wire, bus):
    """Their bytes are there, so the next request may be on the wire before they are parsed."""
    rounds = itertools.count(1)

    def answer(request):
        number = next(rounds)
        sent = [bytearray(status(i, bytes([number]) * request[6])) for i in (1, 2, 3)]
        sent[1][-1] ^= number == 2  # the second round has a wrong checksum
        return [b''.join(sent)]

    wire.answer, found = answer, []
    bus.begin_read(56, 2)
    for _ in range(4):
        bus.receive()
        bus.begin_read(56, 2)
        found.append({servo: data for servo, (_, data) in bus.answers().items()})
    bus.receive()
    numbers = (bytes([number] * 2) for number in (1, 2, 3, 4))
    whole = [dict.fromkeys((1, 2, 3), number) for number in numbers]
    del whole[1][2]
    assert found == whole
    assert (bus.lost, bus.bad_checksums) == (1, 1)
    # the third request was sent before the loss was known; the next ones ask for more
    assert [request[6] for request in wire.requests] == [2, 2, 2, 3, 3]


def test_waiting_for_silent_servos_uses_no_processor_time(wire, bus):
    began, busy = time.monotonic(), time.thread_time()
    with pytest.raises(CellError, match=f'{wire.path}: servo 2 does not answer'):
        bus.read(2, 0, 40)
    assert time.monotonic() - began > 0.06
    assert time.thread_time() - busy < 0.01


def test_a_request_to_one_servo_is_repeated(wire, bus):
    answers = [[], [b'\xff\xff\x02'], [status(2, b'\x09\x03')]]
    wire.answer = lambda request: answers.pop(0)
    assert bus.read(2, 3, 2) == (0, b'\x09\x03')


def test_the_error_of_a_missing_port_lists_the_existing_ones():
    with pytest.raises(CellError, match='/dev/nowhere: no such port; /dev/serial/by-id shows'):
        Bus('/dev/nowhere', (1,))


def test_a_port_in_use_is_refused_and_its_user_can_continue(wire, bus):
    with pytest.raises(CellError, match='cannot be opened for this process alone'):
        Bus(wire.path, (1,))
    wire.answer = lambda request: [status(1)]
    assert bus.ping(1) == 0


def test_a_lost_port_is_reported():
    master, slave = os.openpty()
    tty.setraw(slave)
    bus = Bus(os.ttyname(slave), (1,))
    os.close(slave)
    os.close(master)
    with pytest.raises(CellError, match='the port is gone'):
        bus.sync_read(56, 15)
    bus.close()


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 15))
def test_any_bytes_parse_to_packets_with_correct_checksums(noise, length):
    packets, rest, bad = parse_status_packets(noise, length)
    for servo, error, data in packets:
        assert status(servo, data, error) in noise and len(data) == length
    assert noise.endswith(rest) and bad >= 0


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=40),
    st.binary(min_size=15, max_size=15),
    st.lists(st.integers(0, 80), max_size=4),
)
def test_a_packet_is_found_behind_noise_in_any_fragmentation(noise, data, cuts):
    # noise that begins like a packet of this length can hide the real one
    if b'\xff\xff' in noise or noise.endswith(b'\xff'):
        noise = noise.replace(b'\xff', b'\xfe')
    stream, found, rest = noise + status(4, data, 1), [], b''
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        packets, rest, _ = parse_status_packets(rest + stream[start:end], 15)
        found += packets
    assert (4, 1, data) in found


def test_a_stalled_port_loses_answers_but_does_not_block(monkeypatch):
    """A stalled adapter fills its buffer; the driver continues when the buffer is read."""
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        bus = Bus(os.ttyname(slave), (1, 2), answer_timeout=0.001)
        monkeypatch.setattr('so101_driver.bus.WRITE_TIME', 0.01)
        for _ in range(20):  # the kernel accepts more bytes after a moment
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(bus._fd, bytes(100))
            time.sleep(0.005)
        bus.send(bus.sync_write_packet(42, (2048, 2048)))
        assert bus.sync_read(56, 15) == {}
        bus.close()
    finally:
        os.close(master)
        os.close(slave)
