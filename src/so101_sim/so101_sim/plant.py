"""Everything below the wire, one time step after another: world, servos of both arms, leader.

No clock and no ROS: the `world` node steps it in real time, the loop without ROS as fast as it
goes.
"""

from collections import deque
import math

import numpy as np

from so101_description.joints import JOINTS, REST

from .leader import Leader
from .servo_arm import ServoArm, load_share
from .world import JointDrive, World

STEPS = 2  # of the physics between two looks at the servos
PERIOD = 0.005  # s, of one step of the plant


class Plant:
    """`arms` and `leader`, moved by `step`. ports: where each arm's bus is to be linked."""

    def __init__(self, world: World, ports: dict[str, str]):
        self.world, self.leader = world, Leader()
        conditions = world.conditions
        backlash = {'follower': math.radians(conditions.backlash), 'leader': 0.0}
        self.arms = {arm: ServoArm(arm, port, REST, backlash[arm]) for arm, port in ports.items()}
        self._offset = np.zeros(len(JOINTS))  # what the servos believe beyond what is
        self._offset[JOINTS.index(conditions.offset_joint)] = math.radians(conditions.offset)
        self._late: deque[np.ndarray] = deque(maxlen=1 + round(conditions.latency / PERIOD))

    def step(self) -> None:
        """Advance by PERIOD."""
        follower, leader = self.arms['follower'], self.arms['leader']
        torque_on = follower.torque_on()
        if not torque_on.any():
            self._late.clear()  # a goal from before must not move the arm when it is back on
        self._late.append(follower.goal() - self._offset)
        self.world.drive = JointDrive(
            torque_on, self._late[0], follower.speed(), follower.torque()
        )
        self.world.step(STEPS)
        position, velocity, torque = self.world.joints()
        follower.sense(position + self._offset, velocity, load_share(torque))
        self.leader.step(PERIOD, leader.torque_on(), leader.goal(), leader.speed())
        leader.sense(self.leader.position, self.leader.velocity, self.leader.load)
