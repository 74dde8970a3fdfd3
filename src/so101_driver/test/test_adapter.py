"""The latency of the adapter is measured; time-out and possible rate follow from it."""

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import running
import pytest

from so101_driver.adapter import fit, latency_timer, measure, shorten_timer
from so101_driver.bus import Bus
from so101_driver.servos import IDS

pytestmark = [pytest.mark.slow, pytest.mark.timing]


@pytest.fixture
def arm(tmp_path):
    with EmulatedArm(tmp_path / 'port') as arm:
        yield arm


@pytest.mark.parametrize('latency', [0.004, 0.016])
def test_answers_that_come_late_are_waited_for(arm, latency):
    arm.bus.latency = lambda: latency
    bus = Bus(arm.port, IDS)
    (line,) = fit(bus)
    assert latency < bus.answer_timeout < 2.2 * latency + 0.004
    assert 'answers come' in line and 'cycles/s' in line
    lost, rounds = bus.lost, 30
    answers = sum(len(bus.sync_read(56, 15)) for _ in range(rounds))
    bus.close()
    assert answers >= 0.95 * len(IDS) * rounds, bus.lost - lost


def test_a_plain_adapter_needs_no_longer_timeout(arm):
    bus = Bus(arm.port, IDS, answer_timeout=0.01)
    assert fit(bus) == []
    assert bus.answer_timeout == 0.01
    bus.close()


def test_a_bus_without_servos_is_not_measured(arm):
    for servo in arm.servos:
        servo.power_cycle(False)
    bus = Bus(arm.port, IDS)
    assert measure(bus) is None
    assert bus.answer_timeout == 0.0025
    bus.close()


def test_an_arm_behind_a_late_adapter_moves(arm):
    arm.bus.latency = lambda: 0.016
    with running(arm, fit=True) as run:
        assert run.arm.set_torque(True) == []
        target = run.position + 0.3
        run.command_until(target, lambda: abs(run.position - target).max() < 0.02)
        assert run.lines == [] or 'reconnect' not in ' '.join(run.lines)


def test_the_latency_timer_is_set_where_it_may_be(tmp_path):
    devices, port = tmp_path / 'devices', tmp_path / 'ttyUSB0'
    assert latency_timer(str(port), devices) is None
    file = devices / 'ttyUSB0' / 'latency_timer'
    file.parent.mkdir(parents=True)
    file.write_text('16\n')
    assert latency_timer(str(port), devices) == file
    assert shorten_timer(file) == "the adapter's latency timer was 16 ms, now 1 ms"
    assert file.read_text() == '1\n'
    assert shorten_timer(file) == ''


def test_a_latency_timer_that_may_not_be_set_is_named(tmp_path, monkeypatch):
    file = tmp_path / 'latency_timer'
    file.write_text('16\n')

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(type(file), 'write_text', refuse)
    assert f'echo 1 | sudo tee {file}' in shorten_timer(file)
