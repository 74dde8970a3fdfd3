"""A simulated bench for the loop's core: real kinematics, arms that lag by one tick."""

import numpy as np
import torch

from hilserl_actor.loop.control import ControlLoop
from hilserl_actor.loop.episode import Sensed
from hilserl_actor.loop.interfaces import KinematicsLost, RewardSignal
from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.bundle import pack
from hilserl_core.policy.inference import Policy
from hilserl_core.policy.networks import Actor, Encoder, NetworkConfig
from so101_description.joints import REST
from so101_description.model import model_hash

SCHEMA = make_task('grasp_lift', model_hash())


def make_policy(version=1, schema=SCHEMA, network=NetworkConfig()) -> Policy:
    torch.manual_seed(version)
    encoder = Encoder(schema, network)
    actor = Actor(encoder.size, schema, network)
    return Policy.from_bytes(pack(schema, network, encoder, actor, version, 10 * version, 0))


class SimulatedBench:
    """Arms, kinematics and time for one ControlLoop; `steps` is what was emitted."""

    identity = '/actor', 'run-1'

    def __init__(
        self, role='train', policy=True, sigma=0.3, schema=SCHEMA, ready_time=0.0, emit=None
    ):
        self.kinematics_core = kinematics_of(schema)
        self.position = {'follower': REST.copy(), 'leader': REST.copy()}
        self.torque = {'follower': False, 'leader': False}
        self.commands = []
        self.steps, self.log = [], []
        self.kinematics_error = ''
        self.has_leader = True
        self.driver_stops = self.takes = 0
        self.ignores_commands = False  # of the driver
        self.prepares_ticks = False  # whether `prepare` is called before each tick
        self.now = 0
        self.elapsed = 0.0  # s of the loop's clock
        self._period = 1.0 / schema.rate
        self.loop = ControlLoop(
            schema,
            role,
            self,
            self,
            lambda n: sigma,
            emit or self.steps.append,
            self.log.append,
            0,
            ready_time,
            lambda: self.elapsed,
            identity=self.identity,
        )
        if policy:
            self.loop.offer(make_policy(schema=schema))

    # control.Kinematics
    def _raise_error(self):
        if self.kinematics_error:
            raise KinematicsLost(self.kinematics_error)

    def action(self, *joints):
        self._raise_error()
        return self.kinematics_core.action_between(*joints).action

    def ask_action(self, *joints):
        return lambda: self.action(*joints)

    def joint_target(self, measured, reference, action, hold):
        self._raise_error()
        return self.kinematics_core.joint_target(
            measured, reference, action, SCHEMA.pitch, SCHEMA.wrist_roll, hold=hold
        ).q

    def solve(self, position, seed):
        self._raise_error()
        return self.kinematics_core.solve(
            position, SCHEMA.pitch, SCHEMA.wrist_roll, seed[5], seed
        ).q

    def contact(self, path):
        return self.kinematics_core.collision.contact(path)

    # control.Arms
    def command(self, arm, target):
        self.commands.append((arm, np.array(target)))
        if self.torque[arm] and not self.ignores_commands:
            self.position[arm] = np.array(target)

    def command_accepted(self):
        return not self.ignores_commands

    def set_torque(self, arm, on):
        self.torque[arm] = on

    def stop(self):
        self.driver_stops += 1

    def take_command(self):
        self.takes += 1
        return True

    # time
    def sensed(self) -> Sensed:
        self.now += 100_000_000
        self.elapsed += self._period
        position = self.position['follower']
        image = np.full(SCHEMA.cameras[0].shape, self.now // 100_000_000 % 256, np.uint8)
        return Sensed(
            self.now,
            (image,),
            (self.now,),
            position.copy(),
            self.kinematics_core.tool_pose(position)[0],
            self.position['leader'].copy() if self.has_leader else None,
        )

    def tick(self, count=1, reward=0.0, success=False):
        for _ in range(count):
            sensed = self.sensed()
            if self.prepares_ticks:
                self.loop.prepare(sensed.stamp, sensed.images, sensed.leader)
            self.loop.tick(sensed, RewardSignal(reward, success))

    def ready(self):
        """Bring the arm to READY."""
        assert self.loop.request('preflight', 'test') == ''
        for _ in range(100):
            self.tick()
            if self.mode == 'READY':
                return
        raise AssertionError(self.log)

    def start(self):
        self.ready()
        assert self.loop.request('start', 'test') == ''
        self.tick()

    @property
    def mode(self):
        return self.loop.machine.mode.value
