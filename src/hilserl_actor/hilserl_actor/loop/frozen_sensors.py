"""Notices sensors that repeat their last value with fresh stamps while the arm moves.

A still arm gives equal images and equal joint values rightly. So images count as frozen only if
the measured joints have moved since the image changed last, and joints only if the driver's target
has moved away from them. The leader is not checked: the hand that holds it may be still.
"""

from collections.abc import Callable
from dataclasses import dataclass
import time

import numpy as np

from so101_description.joints import JOINTS

from .interfaces import Joints

MOVED = 0.02  # rad of a measured joint that change the image of every camera
IMAGE_TIME = 0.2  # s after that motion; a camera shows it late
ASKED = 0.04  # rad that the target moved; stiction and backlash may hide less
AWAY = 0.06  # rad from target to joint; a loaded servo stays up to 0.045 short of its setpoint
JOINTS_TIME = 0.15  # s after that target
LEAST = 2  # equal messages after the motion
SILENCE = 0.2  # s without a message: the sensor was lost, not frozen
GRIPPER = JOINTS.index('gripper')  # an object blocks it


@dataclass
class _Value:
    """A sensor's last value. base: the joints or the target (6,) rad when it arrived first."""

    content: bytes
    since: float
    base: Joints | None
    last: float
    moved_at: float | None = None  # when the arm had moved away from `base`
    moved: str = ''  # which joint, and how far
    equal: int = 0  # messages with the same value after that


class FrozenSensors:
    """The follower's joints and the cameras. clock: s, monotonic. patience: factor of all times.

    The executor's thread calls `note_...`; the loop's thread calls `problem`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, patience: float = 1.0):
        self._clock, self._patience = clock, patience
        self._images: dict[str, _Value] = {}
        self._joints: _Value | None = None
        self._position: Joints | None = None
        self._target: Joints | None = None

    def note_target(self, target: Joints) -> None:
        """Note what the follower's driver executes, (6,) rad."""
        self._target = target
        value = self._joints
        if value is None or value.moved_at is not None:
            return
        if value.base is None:
            value.base = target
        elif self._position is not None:
            asked = np.minimum(
                np.abs(target - value.base) - ASKED, np.abs(target - self._position) - AWAY
            )[:GRIPPER]
            if asked.max() > 0.0:
                joint = int(asked.argmax())
                value.moved = (
                    f'{JOINTS[joint]} was commanded to move by '
                    f'{abs(target[joint] - self._position[joint]):.2f} rad'
                )
                value.moved_at = self._clock()

    def note_joints(self, position: Joints, content: bytes) -> None:
        """Note a joint state of the follower: (6,) rad, and all its numbers as bytes."""
        self._joints = self._noted(self._joints, content, self._target)
        self._position = position
        for value in list(self._images.values()):
            if value.moved_at is None and value.base is not None:
                moved = np.abs(position - value.base)[:GRIPPER]
                if moved.max() > MOVED:
                    value.moved = f'{JOINTS[int(moved.argmax())]} moved by {moved.max():.2f} rad'
                    value.moved_at = self._clock()

    def note_image(self, camera: str, content: bytes) -> None:
        """Note an image without its stamp."""
        self._images[camera] = self._noted(self._images.get(camera), content, self._position)

    def _noted(self, value: _Value | None, content: bytes, base: Joints | None) -> _Value:
        now = self._clock()
        if (
            value is None
            or content != value.content
            or now - value.last > SILENCE * self._patience
        ):
            return _Value(content, now, base, now)
        value.last = now
        value.equal += value.moved_at is not None
        if value.base is None:
            value.base = base
        return value

    def problem(self) -> str:
        """Return a sentence on the frozen sensor, until its value changes; '' if there is none."""
        if self._is_frozen(self._joints, JOINTS_TIME):
            return (
                f'follower joint state {self._sentence(self._joints)}: the sensor is frozen or '
                'the arm is blocked; free the arm or start the driver again; the arm holds'
            )
        for camera, value in list(self._images.items()):
            if self._is_frozen(value, IMAGE_TIME):
                return (
                    f'{camera} image {self._sentence(value)}: the camera is frozen; check its '
                    'plug and its node; the arm holds'
                )
        return ''

    def _is_frozen(self, value: _Value | None, after: float) -> bool:
        return (
            value is not None
            and value.moved_at is not None
            and value.equal >= LEAST
            and self._clock() - value.moved_at > after * self._patience
        )

    def _sentence(self, value: _Value | None) -> str:
        assert value is not None  # it is frozen
        return f'has not changed for {self._clock() - value.since:.1f} s while {value.moved}'
