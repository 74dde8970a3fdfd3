"""The simulated bench: the scene of a task in MuJoCo, and its cameras.

Free of ROS and of the wall clock: `step` advances simulated time only. One thread may step while
another renders; `lock` protects the physics state.
"""

from dataclasses import dataclass
import math
import threading

import mujoco
import numpy as np
import numpy.typing as npt

from hilserl_core.contract.scene_file import Move
from so101_description.joints import JOINT_LIMITS, JOINTS, MAX_EFFORT, MAX_VELOCITY, REST, Floats
from so101_node.errors import CellError
from so101_node.names import TOOL_FRAME, WRIST_CAMERA

from .bodies import Bodies
from .distractors import Distractors
from .grasp_observation import is_put
from .light import Light
from .scene import Scene, load_scene, scene_of
from .success import Success
from .variation import Variation
from .worlds import Conditions

# A world may change the friction of the finger pads; an arm without them has that of its fingers.
FINGER_PADS, FINGER_JOINTS = ('fixed_pad', 'moving_pad'), ('wrist_roll', 'gripper')


@dataclass
class JointDrive:
    """Commands of the six servos to their joints, in the order of JOINTS."""

    torque_on: npt.NDArray[np.bool_]  # (6,) bool
    goal: Floats  # (6,) rad
    speed: Floats  # (6,) rad/s, limit of the servo's trajectory
    torque: Floats  # (6,) limit as a share of the stall torque
    acceleration: Floats  # (6,) rad/s^2, limit of the servo's trajectory; inf: none


class World:
    """Physics of one cell. It starts with the arm at rest and torque off."""

    def __init__(
        self,
        seed: int = 0,
        scene: Scene | None = None,
        conditions: Conditions = Conditions(),
        placements: int = 0,
        situations: int = 0,
        joint_limits: str = 'model',
    ):
        """The bodies' poses depend only on `seed` and the number of the placement.

        scene: of the task; None: of grasp_lift.
        placements: number of the first one; situations: number of different ones (0: no repeat).
        joint_limits: where the joints stop, a key of JOINT_LIMITS.
        """
        scene = scene or scene_of('grasp_lift')
        distractors = scene.simulation.distractors + conditions.distractors
        self.model = load_scene(scene.path, distractors)
        self.joint_limits = joint_limits
        if joint_limits != 'model':  # the scene has those of the model
            for joint, *stops in zip(JOINTS, *JOINT_LIMITS[joint_limits]):
                self.model.joint(joint).range[:] = self.model.actuator(joint).ctrlrange[:] = stops
        self.data = mujoco.MjData(self.model)
        self.lock = threading.Lock()
        self.simulation, self.conditions = scene.simulation, conditions
        self._bodies = Bodies(self.model, self.data, self.simulation)
        self._success = Success(self.simulation, self._bodies)
        self._variation = Variation(self.model, self.simulation, conditions)
        self._distractors = Distractors(self.model, self.data, self.simulation, distractors)
        self._seed, self.placements, self._situations = seed, placements, situations
        self.situation = seed, placements  # seed and number of the last placement
        self._arm_q = np.array([self.model.joint(n).qposadr[0] for n in JOINTS])
        self._arm_v = np.array([self.model.joint(n).dofadr[0] for n in JOINTS])
        self._motors = np.array([self.model.actuator(n).id for n in JOINTS])
        self._tool = self.model.site(TOOL_FRAME).id
        self._strength = self.model.actuator_forcerange[self._motors, 1].copy()
        self._apply_conditions(conditions)
        self.data.qpos[self._arm_q] = REST
        self.drive = JointDrive(
            np.zeros(6, bool),
            REST.copy(),
            np.full(6, MAX_VELOCITY),
            np.ones(6),
            np.full(6, np.inf),
        )
        self._setpoint = REST.copy()
        self._speed = np.zeros(6)  # rad/s of the servos' trajectories
        self.held: npt.NDArray[np.bool_] = np.zeros(6, bool)  # joints that a hand holds still
        self._bodies.put_in_the_middle()

    def _apply_conditions(self, conditions: Conditions) -> None:
        free = self.model.body_dofnum[self.model.geom_bodyid] == 6
        of_geom = mujoco.mjtObj.mjOBJ_GEOM
        pads = [mujoco.mj_name2id(self.model, of_geom, name) for name in FINGER_PADS]
        if min(pads) < 0:
            fingers = [self.model.joint(name).bodyid[0] for name in FINGER_JOINTS]
            pads = np.flatnonzero(np.isin(self.model.geom_bodyid, fingers)).tolist()
        free[pads] = True
        self.model.geom_friction[free, 0] *= conditions.friction
        camera = self.model.camera(WRIST_CAMERA)
        half = math.radians(conditions.camera_tilt) / 2
        tilted = np.zeros(4)
        mujoco.mju_mulQuat(
            tilted, camera.quat, np.array([math.cos(half), math.sin(half), 0.0, 0.0])
        )
        camera.quat[:] = tilted

    # --- physics -----------------------------------------------------------------------------
    def step(self, steps: int = 2) -> None:
        """Advance by `steps` of 2.5 ms; the joints follow `drive`."""
        drive, model = self.drive, self.model
        with self.lock:
            q = self.data.qpos[self._arm_q]
            period = steps * model.opt.timestep
            self._setpoint += self._trajectory_step(period)
            self._setpoint = np.where(drive.torque_on, self._setpoint, q)
            self._speed = np.where(drive.torque_on, self._speed, 0.0)
            force = np.minimum(self._strength, drive.torque * MAX_EFFORT) * drive.torque_on
            model.actuator_forcerange[self._motors, 0] = -force
            model.actuator_forcerange[self._motors, 1] = force
            self.data.ctrl[self._motors] = self._setpoint
            if self.held.any():
                self._step_held(steps)
            else:
                mujoco.mj_step(model, self.data, steps)
            self._success.update(self.data.time, self.tool_position)

    def _trajectory_step(self, period: float) -> Floats:
        """Return the steps (6,) rad of the servos' trajectories to their goals in `period` s."""
        drive = self.drive
        away, reach = drive.goal - self._setpoint, drive.speed * period
        step: Floats = np.clip(away, -reach, reach)
        for i in np.flatnonzero(np.isfinite(drive.acceleration)):
            limit = drive.acceleration[i]
            brake = math.sqrt(2 * limit * abs(away[i]))  # it can still stop at the goal
            wanted = min(max(step[i] / period, -brake), brake)
            change = limit * period
            step[i] = period * min(max(wanted, self._speed[i] - change), self._speed[i] + change)
        self._speed = step / period
        return step

    def _step_held(self, steps: int) -> None:
        """Advance the physics while a hand holds the joints `held` where they are."""
        data, at, speed = self.data, self._arm_q[self.held], self._arm_v[self.held]
        angles = data.qpos[at].copy()
        for _ in range(steps):
            mujoco.mj_step(self.model, data)
            data.qpos[at], data.qvel[speed] = angles, 0.0

    def joints(self) -> tuple[Floats, Floats, Floats]:
        """Return angles (rad), velocities (rad/s) and motor torques (N.m), each (6,)."""
        data = self.data
        return (data.qpos[self._arm_q], data.qvel[self._arm_v], data.actuator_force[self._motors])

    def place_arm(self, q: Floats) -> None:
        """Set the arm to `q` (6,) rad at once, at rest and holding (for tests and images)."""
        with self.lock:
            self.data.qpos[self._arm_q] = q
            self.data.qvel[self._arm_v] = 0.0
            self._setpoint = np.array(q, dtype=float)
            self.drive.goal = self._setpoint.copy()
            self.drive.torque_on = np.ones(6, bool)
            mujoco.mj_forward(self.model, self.data)

    # --- the bodies --------------------------------------------------------------------------
    def place_bodies(self, tries: int = 20) -> None:
        """Place the bodies of the task at random, where the arm does not touch them.

        CellError if there is no such placement among `tries`.
        """
        number = self.placements % self._situations if self._situations else self.placements
        rng = np.random.default_rng((self._seed, number))
        with self.lock:
            if self._bodies.place(rng, tries):
                self._variation.draw(rng)
                self._distractors.place(rng)
                self._success.reset()
                self.situation = self._seed, number
                self.placements += 1
                return
        raise CellError('the arm is in the way: move it off the table, then place the cube again')

    def pose(self, name: str) -> tuple[Floats, Floats]:
        """Position (3,) m and quaternion (4,) wxyz of a placed body, in base_link."""
        with self.lock:
            return self._bodies.pose(name)

    @property
    def grasped(self) -> str:
        """The name of the body that the task is about now."""
        move = self._move()
        return move.grasp if move else next(iter(self.simulation.place))

    @property
    def target(self) -> str:
        """The name of the body where it is to be put; '' if there is none."""
        move = self._move()
        return move.onto if move else ''

    def _move(self) -> Move | None:
        """Return the first move of the skill that is not done, or else the last one."""
        skill = self.simulation.skill
        if not skill:
            return None
        *first, last = skill.moves()
        for move in first:
            cube, target = (self._bodies.pose(name)[0] for name in (move.grasp, move.onto))
            put = is_put(cube, target, skill.release_height)
            if not put or self._bodies.touched_by_arm(move.grasp):
                return move
        return last

    @property
    def success(self) -> bool:
        """Whether the success of the task is reached now."""
        return self._success.reached(self.data.time, self.tool_position)

    @property
    def tool_position(self) -> Floats:
        """True position of the tool frame (3,), m, in base_link."""
        position: Floats = self.data.site_xpos[self._tool].copy()
        return position


class CameraRenderer:
    """Renders a camera of the world. Create, use and close it in one thread (GL context)."""

    def __init__(
        self, world: World, camera: str = WRIST_CAMERA, width: int = 160, height: int = 120
    ):
        self._world, self._camera = world, camera
        if mujoco.mj_name2id(world.model, mujoco.mjtObj.mjOBJ_CAMERA, camera) < 0:
            raise CellError(
                f'the scene has no camera {camera!r}, which the task has; add it to the scene, or '
                'include table.xml for front_camera and side_camera'
            )
        try:
            self._renderer = mujoco.Renderer(world.model, height, width)
        except (ImportError, RuntimeError, mujoco.FatalError) as error:
            raise CellError(NO_GL) from error
        options = mujoco.MjvOption()
        options.sitegroup[:] = 0  # hide site markers: they would show the tool point
        self._options = options
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._renderer.scene.flags[flag] = False
        self._light = Light(world.conditions, (height, width, 3))

    def render(self) -> npt.NDArray[np.uint8]:
        """Return the present image, (height, width, 3) uint8 RGB."""
        with self._world.lock:
            self._renderer.update_scene(self._world.data, self._camera, self._options)
        return self._light.apply(self._renderer.render(), self._world.situation)

    def close(self) -> None:
        """Free the GL context, in the thread that created it."""
        self._renderer.close()


NO_GL = 'the simulated camera cannot render without EGL: apt-get install libegl1 libgl1-mesa-dri'


def camera_matrix(model: mujoco.MjModel, camera: str, width: int, height: int) -> list[float]:
    """Return the row-major 3x3 intrinsics of a camera at this image size (square pixels)."""
    focal = height / 2 / math.tan(math.radians(float(model.camera(camera).fovy[0])) / 2)
    return [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
