"""What a real servo does at a set-up: ids, baud rates, collisions, middles, turns and supplies."""

import time

import pytest
import scservo_sdk as sdk
import serial
from sim_support import packet, packets, servo

from so101_sim import sts3215
from so101_sim.servo_bus import ServoBus, collide, status_packet
from so101_sim.sts3215 import BAUD_RATES, MULTI_TURN, Sts3215

pytestmark = pytest.mark.timing


@pytest.fixture
def one(tmp_path):
    """A bus with one servo as it leaves the factory."""
    bus = ServoBus(tmp_path / 'port', [Sts3215.fresh()])
    bus.start()
    yield bus
    bus.stop()


def answer(bus, rate, request, length=6):
    with serial.Serial(bus.path, rate, timeout=0.3) as line:
        line.write(request)
        return line.read(length)


@pytest.mark.parametrize('rate', BAUD_RATES)
def test_a_servo_answers_only_at_its_own_baud_rate(one, rate):
    one.servos[0].memory[sts3215.BAUD_RATE] = BAUD_RATES.index(rate)
    assert answer(one, rate, packet(1, 1, [])) == packet(1, 0, [])
    other = BAUD_RATES[BAUD_RATES.index(rate) - 1]
    with serial.Serial(one.path, other, timeout=0.02) as line:
        line.write(packet(1, 1, []))
        assert line.read(6) == b''


def test_an_id_change_is_answered_with_the_old_id(one):
    with serial.Serial(one.path, 1_000_000, timeout=0.3) as line:
        line.write(packet(1, 3, [sts3215.LOCK, 0]))
        line.read(6)
        line.write(packet(1, 3, [sts3215.ID, 6]))
        assert line.read(6) == packet(1, 0, [])
        line.write(packet(6, 1, []))
        assert line.read(6) == packet(6, 0, [])


def test_the_answers_of_fresh_servos_collide(one):
    one.servos.append(Sts3215.fresh(2500.0))
    garbled = answer(one, 1_000_000, packet(1, 2, [56, 2]), 8)
    assert len(garbled) == 8
    assert garbled != status_packet(one.servos[0], one.servos[0].read(56, 2))
    assert sum(garbled[2:]) & 0xFF != 0xFF or garbled[:2] != b'\xff\xff'


def test_equal_answers_at_the_same_moment_look_like_one():
    both = [status_packet(Sts3215.fresh()), status_packet(Sts3215.fresh())]
    assert collide(both, 0) == both[0]
    assert collide(both, 1) != both[0]


@pytest.mark.parametrize('position', [-3000.0, 100.0, 2047.0, 4000.0, 9000.0])
def test_torque_enable_128_makes_the_present_position_the_middle(bus, port, position):
    servo(bus, 2).sensed = servo(bus, 2).sensed._replace(position=position)
    assert packets.write1ByteTxRx(port, 2, sts3215.TORQUE_ENABLE, 128)[0] == sdk.COMM_SUCCESS
    assert packets.read2ByteTxRx(port, 2, sts3215.PRESENT)[0] == 2048
    assert not servo(bus, 2).torque_on


def test_the_factory_registers_are_writable_and_survive_power_off(bus, port):
    for address in range(80, 87):
        packets.write1ByteTxRx(port, 3, address, address)
    servo(bus, 3).power_cycle(False)
    servo(bus, 3).power_cycle(True)
    assert servo(bus, 3).read(80, 7) == bytes(range(80, 87))


@pytest.mark.parametrize('turns', [-2, 3])
def test_a_multi_turn_servo_reports_positions_outside_one_turn(bus, port, turns):
    each = servo(bus, 1)
    each.sensed = each.sensed._replace(position=each.sensed.position + 4096 * turns)
    assert packets.read2ByteTxRx(port, 1, sts3215.PRESENT)[0] == 2047
    each.memory[sts3215.PHASE] |= MULTI_TURN
    read = packets.read2ByteTxRx(port, 1, sts3215.PRESENT)[0]
    assert sts3215.from_sign_magnitude(read, 15) == 2047 + 4096 * turns


@pytest.mark.parametrize('rated, supply, error', [(7.4, 7.4, 0), (12.0, 12.0, 0), (7.4, 12.0, 1)])
def test_a_supply_above_the_limit_of_the_servo_sets_the_voltage_error(rated, supply, error):
    each = Sts3215.fresh(rated=rated)
    each.sensed = each.sensed._replace(voltage=supply)
    assert each.error == error
    assert each.memory[14] == {7.4: 84, 12.0: 140}[rated]


def test_an_adapter_holds_answers_back(bus):
    bus.latency = lambda: 0.016
    with serial.Serial(bus.path, 1_000_000, timeout=0.3) as line:
        started = time.perf_counter()
        line.write(packet(1, 1, []))
        assert len(line.read(6)) == 6
        assert 0.016 < time.perf_counter() - started < 0.1
