"""The simulated hardware below the bus, step by step: world, servos of both arms, leader.

Free of ROS and of clocks. The `world` node steps it in real time, the in-process simulation as
fast as possible.
"""

from collections import deque
import math

import numpy as np

from so101_description.joints import JOINTS, REST, Floats

from .leader import Leader
from .servo_arm import ServoArm, load_share
from .world import JointDrive, World

STEPS = 2  # physics steps per step of the plant
PERIOD = 0.005  # s of one step of the plant


class Plant:
    """`arms` and `leader`; `step` moves them. ports: path of the link to each arm's bus."""

    def __init__(self, world: World, ports: dict[str, str]):
        self.world, self.leader = world, Leader(world.joint_limits)
        conditions = world.conditions
        backlash = {'follower': math.radians(conditions.backlash), 'leader': 0.0}
        self.arms = {arm: ServoArm(arm, port, REST, backlash[arm]) for arm, port in ports.items()}
        self._offset = np.zeros(len(JOINTS))  # calibration error of the servos, rad
        self._offset[JOINTS.index(conditions.offset_joint)] = math.radians(conditions.offset)
        self._late: deque[Floats] = deque(maxlen=1 + round(conditions.latency / PERIOD))

    def step(self) -> None:
        """Advance by PERIOD."""
        follower, leader = self.arms['follower'], self.arms['leader']
        torque_on = follower.torque_on()
        if not torque_on.any():
            self._late.clear()  # an old goal must not move the arm when torque goes on again
        self._late.append(follower.goal() - self._offset)
        self.world.drive = JointDrive(
            torque_on,
            self._late[0],
            follower.speed(),
            follower.torque(),
            follower.acceleration(),
        )
        self.world.step(STEPS)
        position, velocity, torque = self.world.joints()
        follower.set_joints(position + self._offset, velocity, load_share(torque))
        self.leader.step(PERIOD, leader.torque_on(), leader.goal(), leader.speed())
        leader.set_joints(self.leader.position, self.leader.velocity, self.leader.load)
