"""The simulated bench: arm, table and cube in MuJoCo, and its wrist camera.

Free of ROS and of the wall clock: `step` advances simulated time only. One thread may step while
another renders; `lock` protects the physics state.
"""

from dataclasses import dataclass
import math
from pathlib import Path
import threading

import mujoco
import numpy as np
import numpy.typing as npt

from so101_description.joints import JOINT_LIMITS, JOINTS, MAX_EFFORT, MAX_VELOCITY, REST, Floats
from so101_description.model import MJCF_PATH
from so101_node.errors import CellError

from .layouts import Layout, find_layout
from .light import Light
from .worlds import Conditions

SCENE_PATH = Path(__file__).parent / 'scene' / 'cell.xml'
CUBE_HALF = 0.0125  # m
CUBE_CENTRE = (0.25, 0.0)  # m, base_link
FRICTION_GEOMS = ('cube', 'fixed_pad', 'moving_pad')  # a world may change their friction


@dataclass
class JointDrive:
    """Commands of the six servos to their joints, in the order of JOINTS."""

    torque_on: npt.NDArray[np.bool_]  # (6,) bool
    goal: Floats  # (6,) rad
    speed: Floats  # (6,) rad/s, limit of the servo's trajectory
    torque: Floats  # (6,) limit as a share of the stall torque
    acceleration: Floats  # (6,) rad/s^2, limit of the servo's trajectory; inf: none


def load_cell() -> mujoco.MjModel:
    """Compile the scene, which includes the arm by its file name."""
    return mujoco.MjModel.from_xml_string(
        SCENE_PATH.read_text(encoding='utf-8'), {MJCF_PATH.name: MJCF_PATH.read_bytes()}
    )


class World:
    """Physics of one cell. It starts with the arm at rest and torque off."""

    def __init__(
        self,
        seed: int = 0,
        layout: Layout = find_layout('grasp_lift'),
        conditions: Conditions = Conditions(),
        placements: int = 0,
        situations: int = 0,
        joint_limits: str = 'model',
    ):
        """The cube's poses depend only on `seed` and the number of the placement.

        placements: number of the first one; situations: number of different ones (0: no repeat).
        joint_limits: where the joints stop, a key of JOINT_LIMITS.
        """
        self.model, self.joint_limits = load_cell(), joint_limits
        if joint_limits != 'model':  # the scene has those of the model
            for joint, *stops in zip(JOINTS, *JOINT_LIMITS[joint_limits]):
                self.model.joint(joint).range[:] = self.model.actuator(joint).ctrlrange[:] = stops
        self.data = mujoco.MjData(self.model)
        self.lock = threading.Lock()
        self.layout, self.conditions = layout, conditions
        self._seed, self.placements, self._situations = seed, placements, situations
        self.situation = seed, placements  # seed and number of the last placement
        self._arm_q = np.array([self.model.joint(n).qposadr[0] for n in JOINTS])
        self._arm_v = np.array([self.model.joint(n).dofadr[0] for n in JOINTS])
        self._motors = np.array([self.model.actuator(n).id for n in JOINTS])
        self._cube_q = int(self.model.joint('cube').qposadr[0])
        self._cube_v = int(self.model.joint('cube').dofadr[0])
        self._cube_geom = self.model.geom('cube').id
        self._table_geom = self.model.geom('table').id
        self._tool = self.model.site('tool').id
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
        self._put_cube(*CUBE_CENTRE, 0.0)

    def _apply_conditions(self, conditions: Conditions) -> None:
        for name in FRICTION_GEOMS:
            self.model.geom(name).friction[0] *= conditions.friction
        camera = self.model.camera('wrist_camera')
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

    # --- the cube ----------------------------------------------------------------------------
    def place_cube(self, tries: int = 20) -> None:
        """Place the cube on the table, at a pose where the arm does not touch it.

        CellError if there is no such pose among `tries`.
        """
        layout = self.layout
        number = self.placements % self._situations if self._situations else self.placements
        rng = np.random.default_rng((self._seed, number))
        for _ in range(tries):
            x, y = CUBE_CENTRE + rng.uniform(-layout.cube_range, layout.cube_range, 2)
            yaw = rng.uniform(-layout.cube_yaw, layout.cube_yaw)
            with self.lock:
                before = self.data.qpos.copy(), self.data.qvel.copy()
                self._put_cube(x, y, yaw)
                if not self._arm_touches_cube():
                    self.situation = self._seed, number
                    self.placements += 1
                    return
                self.data.qpos[:], self.data.qvel[:] = before
                mujoco.mj_forward(self.model, self.data)
        raise CellError('the arm is in the way: move it off the table, then place the cube again')

    def _put_cube(self, x: float, y: float, yaw: float) -> None:
        at = self._cube_q
        self.data.qpos[at : at + 7] = (
            x,
            y,
            CUBE_HALF,
            math.cos(yaw / 2),
            0.0,
            0.0,
            math.sin(yaw / 2),
        )
        self.data.qvel[self._cube_v : self._cube_v + 6] = 0.0
        mujoco.mj_forward(self.model, self.data)

    def _arm_touches_cube(self) -> bool:
        pairs = self.data.contact.geom[: self.data.ncon]
        return any(self._cube_geom in pair and self._table_geom not in pair for pair in pairs)

    @property
    def cube_pose(self) -> tuple[Floats, Floats]:
        """Position (3,) m of the cube's middle and quaternion (4,) wxyz, in base_link."""
        with self.lock:
            pose = self.data.qpos[self._cube_q : self._cube_q + 7].copy()
        return pose[:3], pose[3:]

    @property
    def success(self) -> bool:
        """Whether the success criterion of the layout is fulfilled now."""
        cube, layout = self.data.qpos[self._cube_q : self._cube_q + 3], self.layout
        if layout.reached:
            return bool(np.linalg.norm(cube - self.tool_position) <= layout.reached)
        return bool(cube[2] - CUBE_HALF >= layout.lifted)

    @property
    def tool_position(self) -> Floats:
        """True position of the tool frame (3,), m, in base_link."""
        position: Floats = self.data.site_xpos[self._tool].copy()
        return position


class CameraRenderer:
    """Renders a camera of the world. Create, use and close it in one thread (GL context)."""

    def __init__(
        self, world: World, camera: str = 'wrist_camera', width: int = 160, height: int = 120
    ):
        self._world, self._camera = world, camera
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
