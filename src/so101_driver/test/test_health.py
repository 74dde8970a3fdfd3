"""Warnings of heat and of a weak supply, before a servo cuts its torque."""

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import running, wait_for
from hypothesis import given
from hypothesis import strategies as st
import pytest

from so101_driver.diagnostics import ArmDiagnostics
from so101_driver.health import COOL, HOT, SAGGING, STEADY, Health

pytestmark = pytest.mark.timing

NOMINAL = [12.0] * 6


def texts(health, lowest=12.0, temperature=30.0):
    return health.update([lowest] + NOMINAL[1:], [12.0] * 6, [temperature] + [30.0] * 5)


def test_the_heat_warning_lasts_until_the_servo_is_below_the_lower_threshold():
    health = Health()
    assert texts(health, temperature=HOT - 1) == [''] * 6
    assert texts(health, temperature=HOT)[0] == 'hot: 60 degrees (torque ends at 70)'
    assert 'hot' in texts(health, temperature=COOL)[0]
    assert texts(health, temperature=COOL - 1)[0] == ''
    assert texts(health, temperature=HOT - 1)[0] == ''


def test_a_voltage_dip_is_compared_with_the_highest_voltage():
    health = Health()
    assert texts(health, 12.0 * SAGGING + 0.1) == [''] * 6
    assert texts(health, 10.0) == ['supply sags to 10.0 of 12.0 V'] + [''] * 5
    assert texts(health, 12.0 * STEADY - 0.1)[0]
    assert texts(health, 12.0 * STEADY + 0.1)[0] == ''


@given(st.lists(st.tuples(st.floats(HOT - 0.5, HOT + 0.5), st.floats(10.1, 10.3)), max_size=50))
def test_a_value_that_fluctuates_at_its_threshold_is_one_warning(values):
    health, warnings = Health(), []
    for temperature, volts in values:
        warnings.append(texts(health, volts, temperature)[0])
    for words in ('hot', 'sags'):
        shown = [words in text for text in warnings]
        assert shown == sorted(shown)  # once shown, it stays


def test_diagnostics_warn_of_heat_and_of_a_dip_between_two_messages(tmp_path):
    with EmulatedArm(tmp_path / 'port') as emulated, running(emulated) as run:
        diagnostics = ArmDiagnostics(run.arm)
        assert diagnostics.statuses()[0].level == b'\0'
        emulated.servos[2].heat = 33.0  # 63 in all; its own limit is 70
        emulated.servos[4].sag = 3.0
        wait_for(lambda: run.arm.servos.telemetry.voltage[4] < 9.1)
        emulated.servos[4].sag = 0.0
        wait_for(
            lambda: (
                run.arm.servos.telemetry.voltage[4] > 11.9
                and run.arm.servos.telemetry.temperature[2] == 63
            )
        )
        statuses = diagnostics.statuses()
        assert (statuses[0].level, statuses[0].message) == (
            b'\1',
            'elbow_flex hot: 63 degrees (torque ends at 70); '
            'wrist_roll supply sags to 9.0 of 12.0 V',
        )
        assert [s.level for s in statuses[1:]] == [b'\0', b'\0', b'\1', b'\0', b'\1', b'\0']
        assert {v.key: v.value for v in statuses[5].values}['voltage_min_v'] == '9.0'
        assert diagnostics.statuses()[5].level == b'\0'
