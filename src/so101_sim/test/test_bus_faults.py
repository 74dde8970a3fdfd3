"""Injected faults: on the wire, in a servo, in its supply."""

import time

import pytest
import scservo_sdk as sdk
import serial
from sim_support import IDS, packet, packets, servo

from so101_sim import sts3215

pytestmark = pytest.mark.timing


class Answers:
    """Sync reads without the SDK, to get the raw bytes of the answers."""

    def __init__(self, path):
        self.line = serial.Serial(path, 1_000_000, timeout=0.1)

    def __call__(self):
        self.line.reset_input_buffer()
        self.line.write(packet(0xFE, 0x82, [56, 2, *IDS]))
        return self.line.read(200)


@pytest.fixture
def answers(bus):
    answers = Answers(bus.path)
    yield answers
    answers.line.close()


@pytest.mark.parametrize(
    'kind, changes',
    [
        ('drop', lambda whole, got: got == whole[:16] + whole[24:]),
        ('corrupt', lambda whole, got: len(got) == 48 and got != whole and got[24:] == whole[24:]),
        (
            'wrong_id',
            lambda whole, got: (
                got[:16] + got[24:] == whole[:16] + whole[24:]
                and got[16:24] == b'\xff\xff\x04' + whole[19:23] + bytes([whole[23] - 1])
            ),
        ),
        ('partial', lambda whole, got: 40 < len(got) < 48 and got.endswith(whole[24:])),
        ('noise', lambda whole, got: len(got) > 48 and got.endswith(whole[16:])),
        ('delay', lambda whole, got: got == whole),
    ],
)
def test_an_injected_fault_affects_only_the_next_answer_of_its_servo(bus, answers, kind, changes):
    whole = answers()
    assert len(whole) == 48
    bus.faults.inject(kind, servo=3, delay=0.02)
    started = time.perf_counter()
    spoilt = answers()
    assert changes(whole, spoilt), spoilt.hex(' ')
    assert kind != 'delay' or time.perf_counter() - started > 0.02
    assert bus.faults.applied == 1
    assert answers() == whole


def test_an_unknown_fault_is_refused(bus):
    with pytest.raises(ValueError, match='gremlin'):
        bus.faults.inject('gremlin')


def test_an_overload_is_latched_and_may_refuse_torque_off(bus, port):
    servo(bus, 2).overload(refusals=1)
    for error in (sts3215.OVERLOAD_ERROR, 0):
        assert servo(bus, 2).error == sts3215.OVERLOAD_ERROR
        assert servo(bus, 2).torque_limit == 0.2
        assert packets.write1ByteTxRx(port, 2, sts3215.TORQUE_ENABLE, 0)[1] == error
    assert servo(bus, 2).torque_limit == 1.0


def test_a_servo_is_silent_without_power_and_has_no_torque_afterwards(bus, port):
    packets.write1ByteTxRx(port, 3, sts3215.TORQUE_ENABLE, 1)
    servo(bus, 3).power_cycle(False)
    assert packets.ping(port, 3)[1] == sdk.COMM_RX_TIMEOUT
    assert not servo(bus, 3).torque_on
    servo(bus, 3).power_cycle(True)
    assert packets.read1ByteTxRx(port, 3, sts3215.TORQUE_ENABLE)[0] == 0
    assert packets.read2ByteTxRx(port, 3, sts3215.MIN_POSITION)[0] == 1000


def test_sag_and_heat_appear_in_telemetry_and_error_byte(bus, port):
    servo(bus, 1).sag, servo(bus, 1).heat = 9.0, 45.0
    error = sts3215.VOLTAGE_ERROR | sts3215.OVERHEAT_ERROR
    assert packets.read1ByteTxRx(port, 1, 62) == (30, sdk.COMM_SUCCESS, error)
    assert packets.read1ByteTxRx(port, 1, 63)[0] == 75


def test_only_writes_to_eeprom_are_counted(bus, port):
    packets.write2ByteTxRx(port, 1, sts3215.MIN_POSITION, 900)  # locked: nothing is written
    packets.write1ByteTxRx(port, 1, sts3215.LOCK, 0)
    packets.write2ByteTxRx(port, 1, sts3215.GOAL_POSITION, 1500)
    assert servo(bus, 1).eeprom_writes == 0
    packets.write2ByteTxRx(port, 1, sts3215.MIN_POSITION, 900)
    assert servo(bus, 1).eeprom_writes == 1
