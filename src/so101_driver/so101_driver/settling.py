"""Ends the swing of joints that were stopped in motion.

A servo holds a joint like a spring: a joint that is stopped in fast motion passes its setpoint,
comes back, and swings. Here its setpoint is brought near to the joint at the turning point, once,
so that little is left to swing. It moves only towards the joint, and never after `TIME`.
"""

import math

import numpy as np

from so101_description.joints import JOINTS, Floats

from .setpoint import GRIPPER, Setpoint

FAST = 0.3  # rad/s at the stop; slower joints swing too little
LAG = 0.015  # s from a measurement until the goal that follows from it acts
NEAR = 0.02  # rad between setpoint and joint that the joint's load explains
TIME = 0.3  # s after the stop


class Settling:
    """Watches the joints of one arm after a stop. Times in s, monotonic."""

    def __init__(self, setpoint: Setpoint):
        self._setpoint = setpoint
        self._direction = np.zeros(len(JOINTS))  # (6,) of the motion at the stop; 0: no swing
        self._until = -math.inf
        self._velocity, self._at = np.zeros(len(JOINTS)), 0.0  # of the last cycle

    def begin(self, velocity: Floats, now: float) -> None:
        """Watch from now on. velocity: (6,) rad/s at the stop."""
        self._direction = np.where(np.abs(velocity) > FAST, np.sign(velocity), 0.0)
        self._direction[GRIPPER] = 0.0  # it may have gripped something
        self._until = now + TIME
        self._velocity, self._at = velocity, now

    def update(self, measured: Floats, velocity: Floats, now: float) -> None:
        """Use the measurement, (6,) rad and rad/s, of the cycle before this one."""
        if now > self._until or not self._direction.any():
            return
        change = (velocity - self._velocity) / max(now - self._at, 0.001)
        self._velocity, self._at = velocity, now
        turned = (velocity + change * LAG) * self._direction <= 0.0
        turned &= self._direction != 0.0
        for joint in self._setpoint.silent:
            turned[joint] = False
        there = measured + (velocity + change * (LAG / 2)) * LAG
        near = np.clip(self._setpoint.position, there - NEAR, there + NEAR)
        self._setpoint.settle(np.where(turned, near, self._setpoint.position))
        self._direction = np.where(turned, 0.0, self._direction)
