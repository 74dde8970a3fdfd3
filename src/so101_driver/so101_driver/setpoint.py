"""The setpoint of one arm, cycle by cycle, with the limits that hold for every source of commands.

A command sets a target within the limits; the setpoint moves there at the speed limit. Without
commands, the setpoint moves slowly to the measured pose; the gripper keeps its grip, because its
setpoint lies inside the object that it holds. After `rest_after` the arm goes to rest.

The setpoint never leads a joint by more than `lead`. A joint that was outside of its range at
torque on comes back at the speed of alignment, and does not leave the range again. The way to rest
ends before the arm hits itself or the table.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from so101_description.collision import Collision
from so101_description.joints import JOINTS, Floats

from .calibration import Calibration

CLAMP_TOLERANCE = 0.002  # rad, about one tick: rounding is not counted
ALIGNED = 0.05  # rad
SAG = 0.1  # rad between setpoint and joint at rest that the arm's weight can explain
STILL = 0.1  # rad/s; a faster joint is in motion
# At a stop, the setpoint of a joint in motion stays ahead of it by what it needs to stop. Without
# that, the joint would pass its setpoint and come back.
BRAKING = 40.0  # rad/s^2
BRAKE = 0.05  # rad, until the goal arrives
SOFT_SPEED = 0.3  # rad/s, to the held pose and to rest, without commands
LIFT = JOINTS.index('shoulder_lift')
GRIPPER = JOINTS.index('gripper')


@dataclass(frozen=True)
class Limits:
    """Limits of an arm's motion. Speeds in rad/s, times in s."""

    max_speed: float
    align_speed: float  # from torque on until the first target is reached
    command_timeout: float
    rest_after: float  # time without commands; only for an arm with a rest pose
    locked: npt.NDArray[np.bool_]  # (6,) bool
    rest: Floats | None  # (6,) rad
    setpoint_lead: (
        float  # rad that the setpoint of a joint, without the gripper, may be ahead of it
    )
    collision: Collision | None = None  # ends the way to rest
    patience: float = 1.0  # factor of the times without an answer; 1 for a real arm


class Setpoint:
    """Setpoint `position` (6,) rad of one arm, and its `target`. Times in s, monotonic.

    rest_ended_by: the links that ended the way to rest; '' if none did.
    """

    def __init__(self, calibration: Calibration, limits: Limits, rate: float):
        self.lower, self.upper = calibration.lower, calibration.upper
        self.limits, self._rate = limits, rate
        self.silent: Collection[int] = ()  # joints whose angle is unknown; their setpoints stay
        self.rest_ended_by = ''
        self.clamps = np.zeros(len(JOINTS), np.int64)
        self.stale = 0
        self.reset(np.zeros(len(JOINTS)), 0.0)

    def reset(self, measured: Floats, now: float) -> None:
        """Start at a measured pose (6,) rad, without a command."""
        self.position, self.target = measured.copy(), measured.copy()
        self.holding, self.resting, self.aligned = True, False, False
        self._commanded_at = self._stayed_at = now
        self._outside = True  # perhaps; a joint that is inside stays inside
        self.reset_lead()

    def reset_lead(self) -> None:
        """Let each joint's setpoint lead by the whole `setpoint_lead` again."""
        self.lead = np.full(len(JOINTS), self.limits.setpoint_lead)  # (6,) rad
        self.lead[GRIPPER] = np.inf

    def slow(self) -> None:
        """Move at the speed of alignment until a target is reached again."""
        self.aligned = False

    def resume(self, joint: int, held: Floats) -> None:
        """Continue with one joint at the angle, of (6,) rad, that its servo holds; slowly."""
        position = self.position.copy()
        position[joint] = held[joint]
        self.position, self.aligned, self._outside = position, False, True

    def restart(self, joint: int, measured: Floats) -> None:
        """Continue with one joint at its measured angle, of (6,) rad, and the whole arm slowly."""
        position = self.position.copy()
        position[joint] = measured[joint]
        self.position, self.target = position, position.copy()
        self.holding, self.resting, self.aligned = True, False, False
        self._outside = True

    def command(self, target: Floats, now: float) -> None:
        """Set a finite target (6,) rad. Clamp it to the limits, count that, keep locked joints."""
        clipped = np.clip(target, self.lower, self.upper)
        self.clamps += np.abs(clipped - target) > CLAMP_TOLERANCE
        self.target = np.where(self.limits.locked, self.position, clipped)
        self.holding, self.resting, self._commanded_at = False, False, now

    def drop_command(self) -> None:
        """Stay at the present setpoint until the next command, or until `hold`."""
        if not self.holding:
            self.target = self.position.copy()

    def stop(self, measured: Floats, velocity: Floats) -> None:
        """Stop soon after the measured pose (6,) rad. velocity: (6,) rad/s.

        The setpoint of a joint at rest stays within SAG, which its load explains. That of a jaw at
        rest stays, so that it keeps its grip.
        """
        braking = BRAKE + velocity**2 / (2.0 * BRAKING)
        moving = np.abs(velocity) > STILL
        reach = np.where(moving, braking, SAG)
        pose = np.clip(self.position, measured - reach, measured + reach)
        if not moving[GRIPPER]:
            pose[GRIPPER] = self.position[GRIPPER]
        self.position, self.target = pose, pose.copy()
        self.holding, self.resting, self._outside = True, False, True

    def settle(self, pose: Floats) -> None:
        """Stay at a pose (6,) rad, near the present setpoint, after a stop."""
        self.position, self.target = pose, pose.copy()

    def hold(self, measured: Floats) -> None:
        """Move slowly to a measured pose (6,) rad; the gripper's setpoint stays."""
        self.holding, self.resting = True, False
        pose = np.clip(measured, self.lower, self.upper)
        pose[GRIPPER] = self.position[GRIPPER]
        self.target = np.where(self.limits.locked, self.position, pose)

    def loosen(self, measured: float, squeeze: float) -> None:
        """Bring the gripper's setpoint within `squeeze` rad of its measured angle (rad)."""
        position, target = self.position.copy(), self.target.copy()
        for angles in (position, target):
            angles[GRIPPER] = np.clip(angles[GRIPPER], measured - squeeze, measured + squeeze)
        self.position, self.target = position, target

    def stay(self, now: float) -> None:
        """Do not go to rest for another `rest_after`, although no command arrives."""
        self._stayed_at = now

    def rest(self) -> None:
        """Go to rest from now on, if the arm has a rest pose."""
        if self.limits.rest is not None:
            self.resting, self.rest_ended_by = True, ''
            self._lift = abs(self.limits.rest[LIFT] - self.position[LIFT])

    def advance(self, now: float, measured: Floats, speed: float | None = None) -> Floats:
        """Return the setpoint (6,) rad of this cycle. speed: rad/s, can only lower the limit."""
        idle = now - self._commanded_at
        unattended = now - max(self._commanded_at, self._stayed_at)
        if not self.holding and idle > self.limits.command_timeout:
            self.stale += 1
            self.hold(measured)
        if self.holding and not self.resting and unattended > self.limits.rest_after:
            self.rest()
        if self.resting:
            self.target = self._rest_target()
        away = self.target - self.position
        if not (self.holding or self.aligned):
            self.aligned = np.abs(away).max() < ALIGNED
        step: float | Floats = self._speed(speed) / self._rate
        before, least, most = self.position, self.lower, self.upper
        if self._outside:
            outside = (before < least) | (before > most)
            self._outside = bool(outside.any())
            step = np.where(outside, np.minimum(step, self.limits.align_speed / self._rate), step)
            least, most = np.minimum(least, before), np.maximum(most, before)
        moved = before + np.maximum(np.minimum(away, step), -step)
        if self.resting and self.limits.collision:
            moved = self._clear_of_contact(before, moved, self.limits.collision)
        bounded = np.minimum(np.maximum(moved, measured - self.lead), measured + self.lead)
        # the way back to the lead is no faster: a measured angle may be wrong
        fastest = self.limits.max_speed / self._rate
        bounded = np.minimum(np.maximum(bounded, before - fastest), before + fastest)
        bounded = np.minimum(np.maximum(bounded, least), most)
        for joint in self.silent:
            bounded[joint] = before[joint]
        self.position = bounded
        return self.position

    def _clear_of_contact(self, before: Floats, moved: Floats, collision: Collision) -> Floats:
        if self.rest_ended_by:
            return before
        reached, self.rest_ended_by = collision.limit_motion(before, moved)
        return reached

    def _speed(self, speed: float | None) -> float:
        limit = self.limits.max_speed
        if speed is None and self.holding:
            speed = SOFT_SPEED
        elif speed is None and not self.aligned:
            speed = self.limits.align_speed
        return limit if speed is None else min(speed, limit)

    def _rest_target(self) -> Floats:
        """Return the next target on the way to rest; the gripper stays.

        The shoulder lifts first. If all joints moved at once, a low arm would press on the table.
        """
        target = np.array(self.limits.rest)
        target[GRIPPER] = self.position[GRIPPER]
        if abs(target[LIFT] - self.position[LIFT]) > 0.5 * self._lift:
            lift, target = target[LIFT], self.position.copy()
            target[LIFT] = lift
        return np.where(self.limits.locked, self.position, target)
