"""The emulated bus with the real SDK, over a real pseudo-terminal."""

import os
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import pytest
import scservo_sdk as sdk
import serial
from sim_support import IDS, make_servo, packet, packets, servo

from so101_node.errors import CellError
from so101_sim import sts3215
from so101_sim.servo_bus import PacketParser, ServoBus
from so101_sim.sts3215 import Sensed

pytestmark = pytest.mark.timing


def sync_read(port, address, length, ids=IDS):
    group = sdk.GroupSyncRead(port, packets, address, length)
    for servo_id in ids:
        group.addParam(servo_id)
    started = time.perf_counter()
    result = group.txRxPacket()
    return group, result, time.perf_counter() - started


def test_ping_returns_the_model_number(port):
    assert packets.ping(port, 3) == (777, sdk.COMM_SUCCESS, 0)


def test_absent_servo_does_not_answer(port):
    assert packets.ping(port, 9)[1] == sdk.COMM_RX_TIMEOUT


def test_two_bytes_written_are_read_back(port):
    assert packets.write2ByteTxRx(port, 2, sts3215.GOAL_VELOCITY, 1234) == (sdk.COMM_SUCCESS, 0)
    assert packets.read2ByteTxRx(port, 2, sts3215.GOAL_VELOCITY) == (1234, sdk.COMM_SUCCESS, 0)
    assert packets.write1ByteTxRx(port, 2, sts3215.ACCELERATION, 254) == (sdk.COMM_SUCCESS, 0)
    assert packets.read1ByteTxRx(port, 2, sts3215.ACCELERATION)[0] == 254


def test_telemetry_block_in_one_sync_read(bus, port):
    for i in IDS:
        offset = servo(bus, i).sensed.position - 2047
        servo(bus, i).sensed = Sensed(2047 + offset + i, -7 * i, -0.1 * i, 0.065 * i, 7.4, 30 + i)
    group, result, _ = sync_read(port, 56, 15)
    assert result == sdk.COMM_SUCCESS
    for i in IDS:
        assert group.getData(i, 56, 2) == 2047 + i
        assert group.getData(i, 58, 2) == 0x8000 | 7 * i
        assert group.getData(i, 60, 2) == 0x0400 | 100 * i
        assert group.getData(i, 62, 1) == 74
        assert group.getData(i, 63, 1) == 30 + i
        assert group.getData(i, 65, 1) == 0
        assert group.getData(i, 66, 1) == (7 * i > 10)
        assert group.getData(i, 69, 2) == 10 * i


@pytest.mark.parametrize('length', [2, 15])
def test_answer_takes_at_least_its_time_on_the_wire(port, length):
    wire = (8 + 6 + 6 * (6 + length)) * 10 / 1e6
    times = sorted(sync_read(port, 56, length)[2] for _ in range(50))
    assert times[0] >= wire
    assert times[10] < wire + 2e-3  # the emulation adds little


def test_back_to_back_packets_share_the_wire(bus):
    with serial.Serial(bus.path, 1_000_000, timeout=0.5) as line:
        goal = packet(0xFE, 0x83, [42, 2] + [b for i in IDS for b in (i, 0xFF, 7)])
        started = time.perf_counter()
        line.write(goal * 4 + packet(1, 0x02, [56, 2]))
        assert len(line.read(8)) == 8
        assert time.perf_counter() - started >= (4 * len(goal) + 8 + 8) * 10 / 1e6


def test_sync_write_moves_all_goals_and_switches_torque_on(bus, port):
    group = sdk.GroupSyncWrite(port, packets, sts3215.GOAL_POSITION, 2)
    for i in IDS:
        assert not servo(bus, i).torque_on
        goal = 1500 + i
        group.addParam(i, [goal & 0xFF, goal >> 8])
    assert group.txPacket() == sdk.COMM_SUCCESS
    for i in IDS:
        assert packets.read2ByteTxRx(port, i, sts3215.GOAL_POSITION)[0] == 1500 + i
        offset = 100 * i * (-1) ** i
        assert servo(bus, i).goal == 1500 + i + offset
        assert servo(bus, i).torque_on


@pytest.mark.parametrize('goal, clamped', [(0, 1000), (4095, 3000), (0x8000 | 50, 1000)])
def test_goal_outside_the_limits_is_clamped_silently(bus, port, goal, clamped):
    assert packets.write2ByteTxRx(port, 1, sts3215.GOAL_POSITION, goal) == (sdk.COMM_SUCCESS, 0)
    assert servo(bus, 1).goal == clamped - 100
    assert servo(bus, 1).torque_on


def test_eeprom_is_written_only_when_unlocked(port):
    packets.write2ByteTxRx(port, 1, sts3215.MIN_POSITION, 555)
    assert packets.read2ByteTxRx(port, 1, sts3215.MIN_POSITION)[0] == 1000
    packets.write1ByteTxRx(port, 1, sts3215.LOCK, 0)
    packets.write2ByteTxRx(port, 1, sts3215.MIN_POSITION, 555)
    assert packets.read2ByteTxRx(port, 1, sts3215.MIN_POSITION)[0] == 555


def test_homing_offset_shifts_the_present_position(port):
    packets.write1ByteTxRx(port, 1, sts3215.LOCK, 0)
    assert packets.read2ByteTxRx(port, 1, sts3215.HOMING_OFFSET)[0] == 0x0800 | 100
    assert packets.read2ByteTxRx(port, 1, sts3215.PRESENT)[0] == 2047
    packets.write2ByteTxRx(port, 1, sts3215.HOMING_OFFSET, 300)
    assert packets.read2ByteTxRx(port, 1, sts3215.PRESENT)[0] == 1647


def test_present_registers_cannot_be_written(port):
    packets.write2ByteTxRx(port, 1, sts3215.PRESENT, 5)
    assert packets.read2ByteTxRx(port, 1, sts3215.PRESENT)[0] == 2047


def test_error_byte_is_in_every_answer(bus, port):
    servo(bus, 4).sensed = servo(bus, 4).sensed._replace(voltage=3.0)
    servo(bus, 4).faults = sts3215.OVERLOAD_ERROR
    error = sts3215.VOLTAGE_ERROR | sts3215.OVERLOAD_ERROR
    assert packets.read1ByteTxRx(port, 4, sts3215.STATUS) == (error, sdk.COMM_SUCCESS, error)
    assert packets.write1ByteTxRx(port, 4, sts3215.ACCELERATION, 1)[1] == error


def test_reg_write_waits_for_action(bus, port):
    goal = [0x00, 0x06]
    assert packets.regWriteTxRx(port, 2, sts3215.GOAL_POSITION, 2, goal) == (sdk.COMM_SUCCESS, 0)
    assert packets.read2ByteTxRx(port, 2, sts3215.GOAL_POSITION)[0] == 2047
    packets.action(port, sdk.BROADCAST_ID)
    assert packets.read2ByteTxRx(port, 2, sts3215.GOAL_POSITION)[0] == 0x0600


def test_wrong_checksum_is_not_executed(bus, port):
    broken = bytearray(packet(1, 0x03, [sts3215.TORQUE_ENABLE, 1]))
    broken[-1] ^= 0x10
    port.ser.write(broken)
    time.sleep(0.01)
    assert port.ser.in_waiting == 0
    assert packets.read1ByteTxRx(port, 1, sts3215.TORQUE_ENABLE) == (0, sdk.COMM_SUCCESS, 0)


def test_a_packet_at_the_wrong_baud_rate_is_ignored(bus):
    with serial.Serial(bus.path, 115200, timeout=0.05) as line:
        line.write(packet(1, 0x01, []))
        assert line.read(6) == b''


def test_bus_knows_whether_its_port_is_open(bus):
    assert not bus.slave_open()
    for _ in range(2):
        with serial.Serial(bus.path, 1_000_000, timeout=0.5, exclusive=True) as line:
            assert bus.slave_open()
            line.write(packet(1, 0x01, []))
            assert len(line.read(6)) == 6
        assert not bus.slave_open()


def test_stale_link_is_replaced_and_own_link_removed(tmp_path):
    path = tmp_path / 'port'
    os.symlink('/dev/pts/gone', path)
    bus = ServoBus(path, [make_servo(1)])
    bus.start()
    assert os.path.exists(path)
    bus.stop()
    assert not os.path.lexists(path)


def test_a_file_at_the_port_path_is_refused(tmp_path):
    (tmp_path / 'port').write_text('precious')
    with pytest.raises(CellError, match='not a link'):
        ServoBus(tmp_path / 'port', []).start()
    assert (tmp_path / 'port').read_text() == 'precious'


# noise that resembles packets more often than uniform bytes
noise = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.just(b'\xff\xff'),
        st.just(b'\xff\xff\x01\xf0'),
        st.builds(
            lambda i, n: b'\xff\xff' + bytes([i, n]), st.integers(0, 255), st.integers(0, 255)
        ),
    ),
    max_size=6,
).map(b''.join)


@given(noise)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_bus_survives_any_noise(bus, data):
    with serial.Serial(bus.path, 1_000_000, timeout=0.5) as line:
        line.write(data)
        time.sleep(0.006)
        line.reset_input_buffer()
        line.write(packet(1, 0x01, []))
        assert line.read(6) == packet(1, 0, []), bus.alive()


@given(noise, st.lists(st.integers(1, 30), max_size=20))
def test_a_packet_behind_noise_is_found_in_any_fragmentation(data, cuts):
    parser, found = PacketParser(), []
    stream = data + packet(7, 0x02, [56, 15])
    for cut in cuts:
        found += parser.feed(stream[:cut])
        stream = stream[cut:]
    found += parser.feed(stream)
    while parser.buffer:
        found += parser.resync()
    assert found[-1][:3] == (7, 0x02, bytes([56, 15]))


@given(st.binary(min_size=1, max_size=30), st.integers(0, 255), st.integers(0, 6))
def test_a_servo_survives_any_valid_packet(parameters, instruction, servo_id):
    servos = [make_servo(i) for i in IDS]
    answers, _ = ServoBus._execute(servos, servo_id or 0xFE, instruction, parameters)
    assert all(len(a) <= 256 for a in answers)
    for each in servos:
        each.read(0, 87)


def test_bytes_that_arrive_at_the_end_of_a_gap_are_not_lost():
    """Bytes may arrive at the moment at which a gap ends: they must not be lost."""
    bus = ServoBus('/nowhere', [make_servo(1)])
    bus._parser.feed(b'\xff\xff\x01\xf0')  # waits for its rest
    arriving, received = [packet(1, 0x01, [])], []
    bus._read = lambda: arriving.pop() if arriving else b''

    def receive(found, _):
        received.extend(found)
        if received:
            bus._stopping.set()
            os.write(bus._wake_write, b'.')

    bus._handle = receive
    bus._master, other = os.openpty()
    bus._wake_read, bus._wake_write = os.pipe()
    bus._serve()
    assert received[0][:2] == (1, 0x01)
    for descriptor in (bus._master, other, bus._wake_read, bus._wake_write):
        os.close(descriptor)
