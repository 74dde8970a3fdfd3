"""Diagnostics of one arm (REP 107): a status of the arm and one of each servo."""

from collections.abc import Callable, Iterable, Sequence
import time

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np

from so101_description.joints import JOINTS

from .arm import Arm
from .follow import REASON
from .health import Health
from .servo import Telemetry
from .servos import IDS

STALE_AGE = 0.1  # s; the values of a servo with an older answer are stale
# key -> an arm's count since the start
COUNTERS: dict[str, Callable[[Arm], int]] = {
    'answers_lost': lambda arm: arm.bus.lost,
    'checksum_errors': lambda arm: arm.bus.bad_checksums,
    'commands_stale': lambda arm: arm.setpoint.stale,
    'commands_refused': lambda arm: arm.refused,
    'clamps': lambda arm: int(arm.setpoint.clamps.sum()),
}


def make_status(
    level: bytes, name: str, message: str, hardware: str, values: Iterable[tuple[str, object]]
) -> DiagnosticStatus:
    """Return a DiagnosticStatus with (key, value) pairs as text."""
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id=hardware,
        values=[KeyValue(key=key, value=str(value)) for key, value in values],
    )


def timing(starts: Sequence[float], rate: float) -> tuple[float, float]:
    """Return (cycles/s, p99 of the deviation from the period, ms). starts: monotonic s."""
    intervals = np.diff(np.array(starts))
    if not len(intervals):
        return 0.0, 0.0
    jitter = np.percentile(np.abs(intervals - 1.0 / rate), 99) * 1e3
    return 1.0 / float(intervals.mean()), float(jitter)


class ArmDiagnostics:
    """Statuses of a started arm. Rates are per second since the last call of `statuses`."""

    def __init__(self, arm: Arm):
        self._arm = arm
        self._health = Health()
        self._before = time.monotonic(), dict.fromkeys(COUNTERS, 0)

    def statuses(self) -> list[DiagnosticStatus]:
        """Return the status of the arm and then one of each servo."""
        now, telemetry = time.monotonic(), self._arm.servos.snapshot()
        lowest, warnings = None, [''] * len(JOINTS)
        if telemetry:
            lowest = self._arm.servos.take_lowest_voltage()
            warnings = self._health.update(lowest, telemetry.voltage, telemetry.temperature)
        servos = [self._servo(i, now, telemetry, lowest, warnings[i]) for i in range(len(JOINTS))]
        unwell = '; '.join(f'{joint} {text}' for joint, text in zip(JOINTS, warnings) if text)
        return [self._overall(now, unwell), *servos]

    def _overall(self, now: float, unwell: str) -> DiagnosticStatus:
        arm = self._arm
        rate, jitter = timing(list(arm.cycle.starts), arm.cycle.rate)
        values = [
            ('rate_hz', f'{rate:.1f}'),
            ('jitter_ms_p99', f'{jitter:.2f}'),
            ('late_cycles', arm.cycle.late),
            ('torque', 'on' if arm.torque.on else 'off'),
            ('reconnects', arm.reconnects),
            ('link_steady_s', f'{now - arm.linked_at:.1f}'),
            ('servo_restarts', sum(arm.cycle.restarts.counts)),
            ('grips_eased', arm.grip.eased),
            ('grips_loosened', arm.grip.loosened),
            ('answers_requested', arm.bus.requested),
        ]
        before_at, before = self._before
        counts = {key: count(arm) for key, count in COUNTERS.items()}
        for key, count in counts.items():
            per_second = (count - before[key]) / max(now - before_at, 1e-3)
            values += [(key, count), (key + '_per_s', f'{per_second:.2f}')]
        self._before = now, counts
        level, message = self._state(now, unwell)
        return make_status(level, f'driver: {arm.name}', message, arm.bus.path, values)

    def _state(self, now: float, unwell: str) -> tuple[bytes, str]:
        arm = self._arm
        silent = [j for j, at in zip(JOINTS, arm.servos.answered_at) if now - at > STALE_AGE]
        faults = arm.servos.faults.sentence()
        if arm.lost:
            return DiagnosticStatus.ERROR, f'reconnecting: {arm.lost}'
        if faults:
            return DiagnosticStatus.ERROR, f'{faults}; clear with {arm.name}/clear_faults'
        if silent:
            return DiagnosticStatus.WARN, 'no answer from ' + ', '.join(silent)
        if unwell:
            return DiagnosticStatus.WARN, unwell
        if not arm.active:
            return DiagnosticStatus.OK, 'inactive' + ', but holding' * arm.torque.on
        if not arm.torque.on:
            return DiagnosticStatus.OK, 'torque off'
        if blocked := arm.cycle.following.sentence():
            return DiagnosticStatus.WARN, blocked
        if arm.setpoint.resting and arm.setpoint.rest_ended_by:
            return DiagnosticStatus.WARN, (
                f'no commands: the way to rest ended, because {arm.setpoint.rest_ended_by} would '
                'collide; move the arm by hand'
            )
        if arm.setpoint.resting:
            return DiagnosticStatus.WARN, 'no commands: the arm went to rest'
        return DiagnosticStatus.OK, 'holding' if arm.setpoint.holding else 'following'

    def _servo(
        self,
        i: int,
        now: float,
        telemetry: Telemetry | None,
        lowest: list[float] | None,
        warning: str,
    ) -> DiagnosticStatus:
        servos, joint = self._arm.servos, JOINTS[i]
        age, latched = now - servos.answered_at[i], servos.faults.latched[i]
        shown = servos.faults.shown(i, now)
        level, message = DiagnosticStatus.OK, 'ok'
        if shown or warning:
            level = DiagnosticStatus.WARN
            message = ', '.join(servos.faults.names(i, shown) + (warning,) * bool(warning))
        elif self._arm.cycle.following.blocked[i]:
            level, message = DiagnosticStatus.WARN, REASON
        if age > STALE_AGE:
            level, message = DiagnosticStatus.STALE, f'no answer for {age:.1f} s'
        if latched:
            level = DiagnosticStatus.ERROR
            message = ', '.join(servos.faults.names(i, latched)) + (
                '' if latched & shown else ' (latched)'
            )
        values = [
            ('age_s', f'{age:.3f}'),
            ('error_byte', f'{servos.errors[i]:#04x}'),
            ('faults', servos.faults.count[i]),
            ('restarts', self._arm.cycle.restarts.counts[i]),
            ('answers_lost', int(servos.missed[i])),
            ('clamps', int(self._arm.setpoint.clamps[i])),
        ]
        if telemetry and lowest:
            values += [
                ('voltage_v', f'{telemetry.voltage[i]:.1f}'),
                ('voltage_min_v', f'{lowest[i]:.1f}'),
                ('temperature_c', int(telemetry.temperature[i])),
                ('load', f'{telemetry.load[i]:.3f}'),
                ('current_a', f'{telemetry.current[i]:.3f}'),
                ('moving', bool(telemetry.moving[i])),
            ]
        return make_status(
            level, f'driver: {self._arm.name}: {joint}', message, f'servo {IDS[i]}', values
        )
