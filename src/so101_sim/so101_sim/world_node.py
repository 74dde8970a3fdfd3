"""The `world` node: a cell without hardware, with two ports and the topics of its cameras.

Physics, cameras and buses run in threads with absolute deadlines. At the end, the node runs until
the ports are closed, so that the driver can bring the arms to rest.
"""

import sys
import threading
import time
from typing import NamedTuple

from geometry_msgs.msg import Pose, PoseStamped
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from hilserl_core.contract.task import CameraSpec
from hilserl_core.contract.tasks import make_task
from so101_description.joints import pack
from so101_interfaces.msg import ActorStatus, Reward, Task
from so101_node import names, qos
from so101_node.cdr import image_to_cdr
from so101_node.errors import CellError
from so101_node.graph import publishers
from so101_node.newest import Newest
from so101_node.ros_node import SWITCH_INTERVAL, CellNode
from so101_node.run_id import RunFilter
from so101_node.stamps import to_ns

from .options import WorldOptions
from .plant import PERIOD, Plant
from .scene import scene_of
from .servo_bus import ServoBus
from .world import CameraRenderer, World, camera_matrix
from .worlds import find_world

LATE = 0.1  # s; if physics is further behind, it skips time
CLOSE_TIME = 10.5  # s that a driver gets to close its ports
PULL_TIMEOUT = 0.5  # s without a message after which the leader is released
FRAME = '{camera}_optical_frame'


class PublishedCamera(NamedTuple):
    """A camera of the task, with its publishers."""

    spec: CameraSpec
    image: Publisher[Image]
    info: Publisher[CameraInfo]


class WorldNode(CellNode):
    """Parameters, topics and threads around a `Plant`."""

    OPTIONS = WorldOptions
    options: WorldOptions

    def __init__(self) -> None:
        super().__init__('world')
        for arm in names.ARMS:
            if not getattr(self.options, f'{arm}_port'):
                raise CellError(f'parameter {arm}_port is not set; give the path to create it at')
        self._world = World(
            self.options.seed,
            scene_of(self.options.task),
            find_world(self.options.world),
            situations=self.options.situations,
            joint_limits=self.options.joint_limits,
        )
        self._world.place_bodies()
        self._plant = Plant(
            self._world, {arm: getattr(self.options, f'{arm}_port') for arm in names.ARMS}
        )
        self._buses: list[ServoBus] = []  # started ones
        self._pulled_at = 0.0
        self._closed, self._first_image = threading.Event(), threading.Event()
        # Only the sizes of the images are of use here, not the model.
        task = make_task(
            self.options.task, '', self.options.image_width, self.options.image_height
        )
        self._cameras = [
            PublishedCamera(
                camera,
                self.create_publisher(
                    Image, names.IMAGE.format(camera=camera.name), qos.SENSOR_PUB
                ),
                self.create_publisher(
                    CameraInfo, names.CAMERA_INFO.format(camera=camera.name), qos.SENSOR_PUB
                ),
            )
            for camera in task.cameras
        ]
        self._cube_pose = self.create_publisher(PoseStamped, names.SIM_CUBE_POSE, qos.SENSOR_PUB)
        if self._world.target:
            self._target_pose = self.create_publisher(
                PoseStamped, names.SIM_TARGET_POSE, qos.SENSOR_PUB
            )
        self._success = self.create_publisher(Bool, names.SIM_SUCCESS, qos.SENSOR_PUB)
        if self.options.gives_reward:
            self._reward = self.create_publisher(Reward, names.REWARD, qos.SENSOR_PUB)
        self.create_subscription(JointState, names.SIM_HAND, self._on_pull, qos.COMMAND)
        self.create_service(Trigger, names.SIM_PLACE_CUBE, self._place_cube)
        self._run = RunFilter(self.options.run_id)
        if not self._run.given:
            self.create_subscription(Task, names.TASK, self._on_task, qos.LATCHED)
        self._statuses = Newest()
        if self.options.situations:
            self.create_subscription(ActorStatus, names.ACTOR_STATUS, self._on_actor, qos.STATUS)
        sys.setswitchinterval(SWITCH_INTERVAL)  # a servo answers within a millisecond
        self._camera_thread = self.guard(self._run_camera)
        self._physics_thread = self.guard(self._run_physics)

    # --- callbacks ---------------------------------------------------------------------------
    def _on_pull(self, message: JointState) -> None:
        position = pack(message.name, message.position) if message.name else None
        self._pulled_at = time.monotonic()
        self._plant.leader.pull(position)

    def _on_task(self, message: Task) -> None:
        # Only of the cell's own actor: the rewards of a stranger's run would be refused.
        if len(publishers(self, names.TASK)) == 1:
            self._run.adopt(message.run_id)

    def _on_actor(self, message: ActorStatus) -> None:
        """Place the cube as in this episode: one that was aborted repeats its situation."""
        if self._run.given and message.run_id != self._run.run_id:
            raise CellError(self._run.problem(message.run_id))
        self._require_newest(message)
        self._world.placements = message.episodes

    def _require_newest(self, message: ActorStatus) -> None:
        clock = self.get_clock().now().nanoseconds
        if why := self._statuses.problem(to_ns(message.header.stamp), clock, time.monotonic()):
            raise CellError(why)

    def _place_cube(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            self._world.place_bodies()
            response.success = True
        except CellError as error:
            response.message = str(error)
        return response

    # --- physics -----------------------------------------------------------------------------
    def _run_physics(self) -> None:
        # Creating the GL context blocks all threads for a while, so start the buses after it.
        self._first_image.wait()
        if self._closed.is_set():
            return
        for arm in self._plant.arms.values():
            arm.bus.start()
            self._buses.append(arm.bus)
        due = time.monotonic()
        while not self._closed.is_set():
            due += PERIOD
            now = time.monotonic()
            if now < due:
                time.sleep(due - now)
            elif now - due > LATE:
                due = now
            if now - self._pulled_at > PULL_TIMEOUT * self.options.patience:
                self._plant.leader.pull(None)
            self._plant.step()
            for name, arm in self._plant.arms.items():
                if not arm.bus.alive():
                    raise CellError(f'the thread of the emulated {name} bus has ended')

    # --- camera ------------------------------------------------------------------------------
    def _run_camera(self) -> None:
        renderers = [
            CameraRenderer(self._world, spec.name, spec.source_width, spec.source_height)
            for spec, _, _ in self._cameras
        ]
        infos = [self._camera_info(camera.spec) for camera in self._cameras]
        pose, reward = PoseStamped(), Reward(sure=True, source='world')
        pose.header.frame_id = names.BASE_FRAME
        period = 1.0 / self.options.camera_rate
        due = time.monotonic()
        while not self._closed.is_set():
            due = max(due + period, time.monotonic() - period)
            time.sleep(max(0.0, due - time.monotonic()))
            now = self.get_clock().now()
            for message in (*infos, pose, reward):
                message.header.stamp = now.to_msg()
            success = self._world.success
            self._success.publish(Bool(data=success))
            if self.options.gives_reward:
                reward.value = reward.probability = float(success)
                reward.success, reward.run_id = success, self._run.run_id
                self._reward.publish(reward)
            cube, target = self._world.grasped, self._world.target
            self._fill(pose.pose, cube)
            self._cube_pose.publish(pose)
            if target:
                self._fill(pose.pose, target)
                self._target_pose.publish(pose)
            # All images show the same moment, so render all of them first.
            images = [renderer.render() for renderer in renderers]
            for camera, image, info in zip(self._cameras, images, infos):
                camera.image.publish(image_to_cdr(now.nanoseconds, info.header.frame_id, image))
                camera.info.publish(info)
            self._first_image.set()
        for renderer in renderers:
            renderer.close()

    def _fill(self, pose: Pose, body: str) -> None:
        position, quaternion = self._world.pose(body)
        p, q = pose.position, pose.orientation
        p.x, p.y, p.z = position.tolist()
        q.w, q.x, q.y, q.z = quaternion.tolist()

    def _camera_info(self, camera: CameraSpec) -> CameraInfo:
        width, height = camera.source_width, camera.source_height
        k = camera_matrix(self._world.model, camera.name, width, height)
        info = CameraInfo(
            width=width,
            height=height,
            distortion_model='plumb_bob',
            d=[0.0] * 5,
            k=k,
            r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            p=[*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0],
        )
        info.header.frame_id = FRAME.format(camera=camera.name)
        return info

    # --- the end -----------------------------------------------------------------------------
    def close(self) -> None:
        """Serve the ports while a process has them open, then remove them."""
        deadline = time.monotonic() + CLOSE_TIME
        while (
            time.monotonic() < deadline
            and not self.error
            and any(bus.slave_open() for bus in self._buses)
        ):
            time.sleep(0.02)
        self._closed.set()
        self._first_image.set()
        self._physics_thread.join(1.0)
        self._camera_thread.join(1.0)
        for bus in self._buses:
            bus.stop()
