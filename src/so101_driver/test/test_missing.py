"""Servos that do not answer: where they are, and what to do."""

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import running, wait_for
import pytest

from so101_driver.bus import Bus
from so101_driver.identity import read_identity
from so101_driver.scan import Found, scan
from so101_driver.servos import IDS
from so101_node.errors import CellError
from so101_sim import servo_bus
from so101_sim.sts3215 import BAUD_RATE, ID, Sts3215

pytestmark = [pytest.mark.slow, pytest.mark.timing]


@pytest.fixture
def arm(tmp_path):
    with EmulatedArm(tmp_path / 'port') as arm:
        yield arm


@pytest.fixture
def bus(arm):
    bus = Bus(arm.port, IDS, answer_timeout=0.005)
    yield bus
    bus.close()


def test_a_servo_with_the_wrong_id_and_baud_rate_is_named(arm, bus):
    arm.servos[5].memory[ID], arm.servos[5].memory[BAUD_RATE] = 1, 1
    with pytest.raises(
        CellError,
        match='on this bus answer: 1, 2, 3, 4, 5; servo 6 answers as id 1 at 500,000 baud: '
        'run ./cell motors$',
    ):
        read_identity(bus)
    assert bus.ping(1) == 0  # at the usual baud rate again


def test_several_servos_with_wrong_settings_are_listed(arm, bus):
    for servo, number, rate in ((arm.servos[1], 9, 2), (arm.servos[2], 3, 7)):
        servo.memory[ID], servo.memory[BAUD_RATE] = number, rate
    with pytest.raises(
        CellError, match='servos 2, 3 answer, .*id 9 at 250,000 baud, id 3 at 38,4'
    ):
        read_identity(bus)


@pytest.mark.parametrize('skew', [0, 1])
def test_two_servos_with_one_id_are_seen(arm, bus, skew):
    arm.bus.skew = skew
    arm.bus.servos[:] = [Sts3215.fresh(2048.0), Sts3215.fresh(2500.0)]
    assert scan(bus) == [Found(1, 1_000_000, clean=False)]


def test_a_bus_without_servos_gives_an_empty_scan(arm, bus):
    arm.bus.servos.clear()
    assert scan(bus) == []


def test_servos_that_answer_only_when_asked_alone_are_named(arm, monkeypatch):
    monkeypatch.setattr(servo_bus, 'SYNC_READ', 0x7F)
    with pytest.raises(CellError, match='shoulder_pan, .*answer when asked alone: their firmware'):
        with running(arm):
            pass


def test_a_voltage_fault_has_its_value_and_limits(arm):
    with running(arm) as run:
        arm.servos[2].sag = -3.0
        wait_for(
            lambda: 'follower: elbow_flex: voltage (15.0 V, limits 4.0 to 14.0 V)' in run.lines
        )
        assert 'voltage (15.0 V, limits 4.0 to 14.0 V) of elbow_flex' in (
            run.arm.servos.faults.sentence()
        )
