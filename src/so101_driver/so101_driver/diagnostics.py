"""What `/diagnostics` says of one arm: a status for the arm and one for each servo."""
import numpy as np

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from so101_description.joints import JOINTS

from .arm import Arm
from .servo import error_names

STALE_AGE = 0.1          # s; a servo's last answer is older: its values are not of now


def _status(level: bytes, name: str, message: str, hardware: str, values) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id=hardware,
        values=[KeyValue(key=key, value=str(value)) for key, value in values])


def timing(starts, rate: float) -> tuple[float, float]:
    """(cycles/s, p99 of the deviation from the period in ms) of monotonic cycle starts in s."""
    intervals = np.diff(np.array(starts))
    if not len(intervals):
        return 0.0, 0.0
    jitter = np.percentile(np.abs(intervals - 1.0 / rate), 99) * 1e3
    return 1.0 / float(intervals.mean()), float(jitter)


def arm_diagnostics(arm: Arm) -> list[DiagnosticStatus]:
    """Statuses of a started arm."""
    telemetry, ages, errors = arm.telemetry, arm.ages(), list(arm.errors)
    rate, jitter = timing(list(arm.starts), arm.rate)
    faulty = [j for j, error in zip(JOINTS, errors) if error]
    silent = [j for j, age in zip(JOINTS, ages) if age > STALE_AGE]
    level, message = DiagnosticStatus.OK, 'holding' if arm.goal.holding else 'following'
    if not arm.torque_on:
        message = 'torque off'
    if silent:
        level, message = DiagnosticStatus.WARN, 'no answer from ' + ', '.join(silent)
    if faulty:
        level, message = DiagnosticStatus.ERROR, 'fault in ' + ', '.join(faulty)
    bus = arm.bus
    statuses = [_status(level, f'driver: {arm.name}', message, bus.path, [
        ('rate_hz', f'{rate:.1f}'), ('jitter_ms_p99', f'{jitter:.2f}'),
        ('late_cycles', arm.late_cycles), ('torque', 'on' if arm.torque_on else 'off'),
        ('answers_requested', bus.requested), ('answers_lost', bus.lost),
        ('checksum_errors', bus.bad_checksums), ('commands_stale', arm.goal.stale),
        ('commands_refused', arm.refused), ('clamps', int(arm.goal.clamps.sum()))])]
    voltage, temperature = telemetry.voltage, telemetry.temperature
    load, current, moving = telemetry.load, telemetry.current, telemetry.moving
    for i, joint in enumerate(JOINTS):
        level, message = DiagnosticStatus.OK, 'ok'
        if ages[i] > STALE_AGE:
            level, message = DiagnosticStatus.STALE, f'no answer for {ages[i]:.1f} s'
        if errors[i]:
            level = DiagnosticStatus.ERROR
            message = ', '.join(error_names(errors[i])) or f'error byte {errors[i]:#04x}'
        statuses.append(_status(
            level, f'driver: {arm.name}: {joint}', message, f'servo {bus.ids[i]}', [
                ('voltage_v', f'{voltage[i]:.1f}'), ('temperature_c', int(temperature[i])),
                ('load', f'{load[i]:.3f}'), ('current_a', f'{current[i]:.3f}'),
                ('moving', bool(moving[i])), ('error_byte', f'{errors[i]:#04x}'),
                ('age_s', f'{ages[i]:.3f}'), ('answers_lost', int(arm.missed[i])),
                ('clamps', int(arm.goal.clamps[i]))]))
    return statuses
