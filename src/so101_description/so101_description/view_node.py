"""What rviz shows besides the arms: the path of the tool and the workspace box.

It listens only, and asks the FK service once for the box. `view.launch.py` starts it.
"""

from collections import deque
from dataclasses import dataclass

from geometry_msgs.msg import Point, PoseStamped
from nav_msgs.msg import Path
import numpy as np
from rclpy.client import Client
from rclpy.task import Future
from sensor_msgs.msg import JointState
from visualization_msgs.msg import Marker

from so101_interfaces.srv import GetToolPose
from so101_node import names, qos
from so101_node.options import Options, option
from so101_node.ros_node import CellNode

from .joint_messages import joint_state
from .joints import REST, pack
from .kinematics import Kinematics

PERIOD = 0.1  # s between two points of the path
LENGTH = 300  # points: the last 30 s
LEAST_MOTION = 5e-4  # m; a still arm adds no points
# The edges of a box, each between two corners; a corner's bits choose low or high for x, y, z.
EDGES = [(corner, corner | bit) for corner in range(8) for bit in (1, 2, 4) if not corner & bit]


@dataclass(frozen=True)
class ViewOptions(Options):
    """The options of the node `view`."""

    frame_prefix: str = option('', 'what robot_state_publisher puts before each frame name')


class ViewNode(CellNode):
    """`view`."""

    OPTIONS = ViewOptions
    options: ViewOptions

    def __init__(self) -> None:
        super().__init__('view')
        self._frame = self.options.frame_prefix + names.BASE_FRAME
        self._kinematics = Kinematics()
        self._path: deque[PoseStamped] = deque(maxlen=LENGTH)
        self._last_time = -PERIOD
        self._path_publisher = self.create_publisher(Path, names.VIEW_PATH, qos.LATCHED)
        self._box_publisher = self.create_publisher(Marker, names.VIEW_BOX, qos.LATCHED)
        self.create_subscription(
            JointState,
            names.JOINT_STATES.format(arm='follower'),
            self._on_joints,
            qos.SENSOR_SUB,
        )
        self._box_client: Client[GetToolPose.Request, GetToolPose.Response] = self.create_client(
            GetToolPose, names.GET_TOOL_POSE
        )
        self._box_timer = self.create_timer(1.0, self._ask_for_box)

    def _on_joints(self, message: JointState) -> None:
        stamp = message.header.stamp
        now = stamp.sec + stamp.nanosec * 1e-9
        if 0 <= now - self._last_time < PERIOD:
            return
        self._last_time = now
        position, _ = self._kinematics.tool_pose(pack(message.name, message.position))
        if self._path:
            last = self._path[-1].pose.position
            if np.linalg.norm(position - (last.x, last.y, last.z)) < LEAST_MOTION:
                return
        pose = PoseStamped()
        pose.header.stamp, pose.header.frame_id = stamp, self._frame
        pose.pose.position = _point(position)
        self._path.append(pose)
        path = Path(poses=list(self._path))
        path.header = pose.header
        self._path_publisher.publish(path)

    def _ask_for_box(self) -> None:
        if self._box_client.service_is_ready():
            self._box_timer.cancel()
            request = GetToolPose.Request(joints=joint_state(REST))
            self._box_client.call_async(request).add_done_callback(self._on_box)

    def _on_box(self, future: 'Future[GetToolPose.Response]') -> None:
        answer = future.result()
        if answer is None or not answer.ok:
            return
        config = answer.config
        sides = np.array([config.box_min, config.box_max])
        corners = [
            _point(np.array([sides[corner >> axis & 1][axis] for axis in range(3)]))
            for corner in range(8)
        ]
        box = Marker(ns='workspace_box', type=Marker.LINE_LIST, action=Marker.ADD)
        box.header.frame_id = self._frame
        box.pose.orientation.w = 1.0
        box.scale.x = 0.001  # m, the width of the lines
        box.color.g = box.color.a = 1.0
        box.points = [corners[corner] for edge in EDGES for corner in edge]
        self._box_publisher.publish(box)


def _point(position: np.ndarray) -> Point:
    x, y, z = position.tolist()
    return Point(x=x, y=y, z=z)
