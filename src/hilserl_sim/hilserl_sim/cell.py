"""A simulated cell in one process: the cores of the ROS graph, in simulated time.

The actor's control loop, the kinematics, the driver's limits, the emulated servos, the world and
the scripted operator are those of the graph. Messages and their delays (here an image is 20 ms
old, joints 5 ms), the serial bus, and the load of other processes are left out. Simulated time
waits for learning, so the update ratio is exact.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from hilserl_actor.loop.control import ControlLoop
from hilserl_actor.loop.episode import Sensed
from hilserl_actor.loop.interfaces import Joints, RewardSignal
from hilserl_core.contract.observation import crop_resize
from hilserl_core.contract.steps import StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.modes import Mode
from so101_sim.expert import OperatorConfig
from so101_sim.grasp_observation import yaw_of
from so101_sim.plant import PERIOD, Plant
from so101_sim.scene import scene_of
from so101_sim.scripted_operator import PERIOD as OPERATOR_PERIOD
from so101_sim.scripted_operator import OperatorObservation, ScriptedOperator, operator_for
from so101_sim.world import CameraRenderer, World
from so101_sim.worlds import find_world

from .arm import RATE, SimulatedArm
from .kinematics import DirectKinematics

# in steps of the plant
DRIVER_STEPS = round(1.0 / RATE / PERIOD)  # between two cycles of the driver
OPERATOR_STEPS = round(OPERATOR_PERIOD / PERIOD)  # between two actions of the operator
IMAGE_AGE = round(0.02 / PERIOD)  # from exposure to decision
ROLES = {'train': 'intervene', 'record': 'demonstrate', 'eval': 'watch'}
# key of the operator -> event of the control loop
EVENTS = {
    'start': 'start',
    'success': 'success',
    'failure': 'failure',
    'intervene': 'intervene',
    'release': 'release',
}


class Judge(Protocol):
    """A reward source that sees the steps, as a success detector does."""

    def see(self, step: StepRecord) -> object:
        """Judge a step that was just recorded."""
        ...

    def signal(self) -> RewardSignal:
        """Return the present reward signal."""
        ...


class Operator:
    """The judge of a cell in which only the operator's keys end an episode."""

    def see(self, step: StepRecord) -> None:
        """Nothing: the operator looks at the scene."""

    def signal(self) -> RewardSignal:
        """Return no reward."""
        return RewardSignal(0.0)


class SimulatedCell:
    """A cell in `role` train, record or eval; `tick` advances it by one control period.

    sigma: exploration noise over steps; emit: gets each StepRecord; watch: the operator only
    places the cube and starts episodes, whatever the role; task: path of the task's file, if it is
    not an installed one. judge: the reward source; None: the world. operator: its behaviour in
    place of that of the task and world; operator_role: its role in place of that of `role`.
    """

    def __init__(
        self,
        schema: TaskSchema,
        role: str,
        seed: int,
        world: str = 'plain',
        sigma: Callable[[int], float] = lambda steps: 0.0,
        emit: Callable[[StepRecord], object] = lambda step: None,
        watch: bool = False,
        task: str = '',
        judge: Judge | None = None,
        operator: OperatorConfig | None = None,
        operator_role: str = '',
    ):
        scene, conditions = scene_of(task or schema.name), find_world(world)
        self.schema, self._recorded = schema, emit
        self.world = World(seed, scene, conditions)
        self.world.place_bodies()
        self._plant = Plant(
            self.world,
            {
                arm: f'/dev/null/{arm}'  # this port is never created
                for arm in ('follower', 'leader')
            },
        )
        self._arms = {arm: SimulatedArm(arm, servos) for arm, servos in self._plant.arms.items()}
        self._judge = judge
        self.operator = ScriptedOperator(
            'watch' if watch else operator_role or ROLES[role],
            seed,
            operator or operator_for(task or schema.name, world),
        )
        self._renderers = [
            CameraRenderer(self.world, camera.name, camera.source_width, camera.source_height)
            for camera in schema.cameras
        ]
        self._images = tuple(np.zeros(camera.shape, np.uint8) for camera in schema.cameras)
        self._kinematics = DirectKinematics(schema)
        self._steps_per_period = round(1.0 / schema.rate / PERIOD)
        self._steps = 0  # of the plant
        self.loop = ControlLoop(
            schema,
            role,
            self._kinematics,
            self,
            sigma,
            self._emit,
            lambda sentence: None,
            seed,
            clock=lambda: self.now,
        )
        self.loop.request('preflight', 'the simulation has no preflight checks')

    @property
    def now(self) -> float:
        """Simulated seconds since the start."""
        return self._steps * PERIOD

    @property
    def stamp(self) -> int:
        """The present moment as the stamp of a step, ns."""
        return int((1.0 + self.now) * 1e9)

    # --- the control loop's `Arms` interface -------------------------------------------------
    def command(self, arm: str, joints: Joints) -> None:
        """Command joint angles to an arm."""
        self._arms[arm].command(joints)

    def command_accepted(self) -> bool:
        """Whether the driver accepted the last command; always true here."""
        return True

    def set_torque(self, arm: str, on: bool) -> None:
        """Switch the torque of an arm on or off."""
        self._arms[arm].set_torque(on)

    def stop(self) -> None:
        """Nothing: the commands have ended, and no other node can command these arms."""

    def take_command(self) -> bool:
        """Return true: the loop is the only commander of these arms."""
        return True

    # --- time --------------------------------------------------------------------------------
    def tick(self) -> None:
        """One control period: physics, driver, camera and operator; then the control loop."""
        exposure = self._steps_per_period - IMAGE_AGE
        for step in range(self._steps_per_period):
            if step == exposure and self.loop.machine.mode is not Mode.RESET:
                self._images = tuple(
                    crop_resize(renderer.render(), camera)
                    for renderer, camera in zip(self._renderers, self.schema.cameras)
                )
            if self._steps % DRIVER_STEPS == 0:
                for arm in self._arms.values():
                    arm.cycle(self.now)
            if self._steps % OPERATOR_STEPS == OPERATOR_STEPS // 2:
                self._run_operator()
            self._plant.step()
            self._steps += 1
        stamp = self.stamp
        position = self._arms['follower'].position
        self.loop.tick(
            Sensed(
                stamp,
                self._images,
                (stamp - int(IMAGE_AGE * PERIOD * 1e9),) * len(self._images),
                position,
                self._kinematics.tool_position(position),
                self._arms['leader'].position,
            ),
            self._judge.signal() if self._judge else self._world_signal(),
        )

    def _world_signal(self) -> RewardSignal:
        return RewardSignal(float(self.world.success), self.world.success)

    def _emit(self, step: StepRecord) -> None:
        if self._judge:
            self._judge.see(step)
        self._recorded(step)

    def _run_operator(self) -> None:
        world = self.world
        cube, quaternion = world.pose(world.grasped)
        action = self.operator.act(
            self.now,
            OperatorObservation(
                self.loop.machine.mode.value,
                self.loop.stats.successes,
                self._arms['follower'].position,
                self._arms['leader'].position,
                cube,
                world.success,
                world.pose(world.target)[0] if world.target else None,
                yaw_of(*quaternion),
            ),
        )
        self._plant.leader.pull(action.leader_pull)
        if action.key == 'place':
            self.world.place_bodies()
            self.operator.cube_placed = True
        elif action.key:
            self.loop.request(EVENTS[action.key], 'the operator')

    def run_episodes(self, count: int, after_tick: Callable[[], object] = lambda: None) -> None:
        """Run until `count` more episodes are finished."""
        end = len(self.loop.stats.results) + count
        while len(self.loop.stats.results) < end:
            self.tick()
            after_tick()

    def close(self) -> None:
        """Free the renderers."""
        for renderer in self._renderers:
            renderer.close()
