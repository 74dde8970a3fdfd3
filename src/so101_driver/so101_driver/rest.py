"""The end of an arm's motion: to the rest pose, then torque off. In a stop it stays as it is."""

from collections.abc import Callable
import time

import numpy as np

from so101_description.collision import Collision
from so101_description.joints import Floats

from .calibration import Calibration
from .cycle import Cycle
from .stop import Stop, StopLatch
from .stopped_arm import StoppedArm
from .torque import Torque

REST_SPEED = 1.6  # rad/s of each joint
REST_DEADLINE = 2.6  # s
REST_TOLERANCE = 0.1  # rad
ARM = slice(0, 5)  # without the gripper, which may hold an object


def rest_warning(rest: Floats, calibration: Calibration, collision: Collision) -> str:
    """Return a sentence if the arm cannot reach `rest`, (6,) rad, without a contact, or ''."""
    reached = np.clip(rest, calibration.lower, calibration.upper)
    problem = collision.contact(reached)
    return problem and (
        f'{calibration.path}: in the rest pose {problem}; the arm ends its way to rest before '
        'that. Correct table_height, or record the whole range of each joint again'
    )


def go_to_rest(cycle: Cycle, rest: Floats, stop: StopLatch) -> str:
    """Move an arm with torque to `rest`, (6,) rad, unless a stop comes; return how that ended."""
    servos, setpoint = cycle.servos, cycle.setpoint
    began = due = time.monotonic()
    setpoint.hold(servos.measured())
    setpoint.rest()
    while not stop:
        now = time.monotonic()
        servos.begin_read()
        cycle.finish(now)
        cycle.publish()
        away = float(np.abs(servos.measured() - rest)[ARM].max())
        if away < REST_TOLERANCE:
            return f'at rest after {now - began:.1f} s'
        if setpoint.rest_ended_by:
            return (
                f'its way to rest ended {away:.2f} rad before: {setpoint.rest_ended_by} would '
                'collide; torque goes off now'
            )
        if now - began > REST_DEADLINE:
            return f'{away:.2f} rad from rest after {now - began:.1f} s; torque goes off now'
        servos.write_setpoint(setpoint.advance(now, servos.measured(), REST_SPEED))
        due = cycle.sleep(due + 1.0 / cycle.rate)
    return 'a stop ended its way to rest'


def release(
    name: str,
    cycle: Cycle,
    torque: Torque,
    stop: StopLatch,
    rest: Floats | None,
    log: Callable[[str], object],
) -> list[str]:
    """Go to rest and switch torque off; return a line for what was not done.

    In a stop that holds, the arm goes on holding, so that nothing falls.
    """
    if torque.on and rest is not None and not stop:
        log(f'{name}: {go_to_rest(cycle, rest, stop)}')
    if torque.holding and stop.kind is Stop.HOLD:
        return [f'{name}: it keeps holding: {stop.sentence}']
    return torque.switch(False)


def end_motion(
    name: str,
    cycle: Cycle,
    torque: Torque,
    stopped: StoppedArm,
    stop: StopLatch,
    rest: Floats | None,
    log: Callable[[str], object],
) -> None:
    """Go to rest and switch torque off, or hold on during a stop; a failed step ends no other."""
    try:
        if torque.on and rest is not None and not stop:
            log(f'{name}: {go_to_rest(cycle, rest, stop)}')
        if stop:
            stopped.enforce()
    except Exception as error:  # the torque must not depend on this
        log(f'{name}: not at rest: {error}')
    if stop.kind is Stop.HOLD and torque.holding:
        log(
            f'{name}: the driver ends during a stop: the arm KEEPS HOLDING, so that nothing '
            'falls; cut its power, or start the cell again'
        )
        return
    for line in cycle.servos.torque(False) or [f'{name}: torque off']:
        log(line)
