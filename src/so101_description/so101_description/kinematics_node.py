"""The FK service: tool pose, action between joint states, joint target of an action, inverse.

Stateless: joints are given by name, and a response has the stamp of its request. The response to a
bad request is ok = false and a sentence; no request can end the node.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from geometry_msgs.msg import Point, PoseStamped
import mujoco
import numpy as np
from sensor_msgs.msg import JointState

from so101_interfaces.msg import JointRange
from so101_interfaces.msg import KinematicsConfig as ConfigMessage
from so101_interfaces.srv import GetAction, GetJointTarget, GetToolPose, SolvePose
from so101_node import names
from so101_node.errors import CellError
from so101_node.refusals import short
from so101_node.ros_node import PRIORITY, CellNode

from .inverse_kinematics import Range
from .joint_messages import joint_state
from .joints import Floats, pack
from .kinematics import Kinematics
from .kinematics_config import KinematicsConfig


class _Answer(Protocol):
    ok: bool
    message: str


_Request = TypeVar('_Request')
_Response = TypeVar('_Response', bound=_Answer)


class KinematicsNode(CellNode):
    """`kinematics`."""

    URGENT = PRIORITY  # the control loop waits for its responses

    OPTIONS = KinematicsConfig
    options: KinematicsConfig

    def __init__(self) -> None:
        super().__init__('kinematics')
        self.core = Kinematics(self.options)
        self._config = ConfigMessage(
            model_hash=self.core.model_hash,
            action_names=list(self.core.space.names),
            action_scales=list(self.core.space.scales),
            **{
                name: getattr(self.options, name)
                for name in ('box_min', 'box_max', 'joint_limits')
            },
        )
        for kind, name, answer in (
            (GetToolPose, names.GET_TOOL_POSE, self._tool_pose),
            (GetAction, names.GET_ACTION, self._action),
            (GetJointTarget, names.GET_JOINT_TARGET, self._joint_target),
            (SolvePose, names.SOLVE_POSE, self._solve),
        ):
            self.create_service(kind, name, self._answering(answer))

    @staticmethod
    def _answering(
        answer: Callable[[_Request, _Response], None],
    ) -> Callable[[_Request, _Response], _Response]:
        def call(request: _Request, response: _Response) -> _Response:
            try:
                answer(request, response)
                response.ok = True
            except CellError as error:
                response.ok, response.message = False, short(error)
            return response

        return call

    def _tool_pose(self, request: GetToolPose.Request, response: GetToolPose.Response) -> None:
        position, rotation = self.core.tool_pose(_joints('joints', request.joints))
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, rotation.flatten())
        response.config = self._config
        response.pose = PoseStamped()
        response.pose.header.stamp = request.joints.header.stamp
        response.pose.header.frame_id = names.BASE_FRAME
        pose = response.pose.pose
        pose.position = _point(position)
        w, x, y, z = quaternion.tolist()
        pose.orientation.w, pose.orientation.x, pose.orientation.y, pose.orientation.z = w, x, y, z

    def _action(self, request: GetAction.Request, response: GetAction.Response) -> None:
        starts = (request.leader_start, request.reference_start)
        if bool(starts[0].name) != bool(starts[1].name):
            raise CellError('a clutch needs both leader_start and reference_start, or neither')
        result = self.core.action_between(
            _joints('leader', request.leader),
            _joints('reference', request.reference),
            *(
                (_joints('leader_start', starts[0]), _joints('reference_start', starts[1]))
                if starts[0].name
                else ()
            ),
        )
        response.action = result.action.astype(np.float32).tolist()

    def _joint_target(
        self, request: GetJointTarget.Request, response: GetJointTarget.Response
    ) -> None:
        measured = _joints('measured', request.measured)
        reference = _joints('reference', request.reference) if request.reference.name else measured
        action = np.asarray(request.action, np.float64)
        if not (
            np.isfinite(action).all() and np.abs([request.pitch, request.wrist_roll]).max() < 10.0
        ):
            raise CellError(
                f'action {action.tolist()}, pitch {request.pitch}, wrist_roll '
                f'{request.wrist_roll}: all must be numbers, the angles in rad'
            )
        result = self.core.joint_target(
            measured,
            reference,
            action,
            request.pitch,
            request.wrist_roll,
            _range(request.allowed),
            _joints('hold', request.hold) if request.hold.name else None,
        )
        response.target = joint_state(result.q, request.measured.header.stamp)
        response.limited = list(result.limited)

    def _solve(self, request: SolvePose.Request, response: SolvePose.Response) -> None:
        p = request.position
        numbers = [p.x, p.y, p.z, request.pitch, request.wrist_roll, request.gripper]
        if not (np.abs(numbers) < 10.0).all():
            raise CellError(
                f'position, pitch, wrist_roll and gripper must be numbers in m and rad: {numbers}'
            )
        result = self.core.solve(
            numbers[:3],
            request.pitch,
            request.wrist_roll,
            request.gripper,
            _joints('seed', request.seed),
            _range(request.allowed),
        )
        response.target = joint_state(result.q, request.seed.header.stamp)
        if result.error > 0.005:
            raise CellError(
                f'({p.x:.3f}, {p.y:.3f}, {p.z:.3f}) m is out of reach: the tool comes '
                f'within {result.error * 1e3:.0f} mm'
            )
        if near := self.core.collision.too_near(result.q):
            raise CellError(
                f'({p.x:.3f}, {p.y:.3f}, {p.z:.3f}) m: {near}; choose a position farther from it'
            )


def _joints(what: str, message: JointState) -> Floats:
    try:
        return pack(message.name, message.position)
    except CellError as error:
        raise CellError(f'{what}: {error}') from None


def _range(message: JointRange) -> Range | None:
    if not (message.name or message.lower or message.upper):
        return None
    try:
        return pack(message.name, message.lower), pack(message.name, message.upper)
    except CellError as error:
        raise CellError(f'allowed: {error}') from None


def _point(position: Floats) -> Point:
    x, y, z = position.tolist()
    return Point(x=x, y=y, z=z)
