"""The suite's topic, service and frame names.

Names are relative, so a namespace makes a second cell.
"""

import re

from .errors import CellError

ARMS = ('follower', 'leader')

# driver (ARM is 'follower' or 'leader')
JOINT_STATES = '{arm}/joint_states'  # sensor_msgs/JointState
JOINT_COMMANDS = '{arm}/joint_commands'  # sensor_msgs/JointState, position, rad
# sensor_msgs/JointState: the accepted command within the driver's limits, with its stamp
JOINT_TARGETS = '{arm}/joint_targets'
SET_TORQUE = '{arm}/set_torque'  # std_srvs/SetBool
CLEAR_FAULTS = '{arm}/clear_faults'  # std_srvs/Trigger
DRIVER_STATUS = 'driver/status'  # so101_interfaces/DriverStatus
# stops: each a Trigger and a topic, std_msgs/Empty; from anybody, in every mode
DRIVER_STOP = 'driver/stop'  # the arms hold
DRIVER_RELEASE = 'driver/release'  # the arms have no torque
DRIVER_STOP_RESET = 'driver/stop_reset'  # Trigger: ends a stop
TAKE_COMMAND = 'driver/take_command'  # so101_interfaces/TakeCommand
DIAGNOSTICS = '/diagnostics'  # diagnostic_msgs/DiagnosticArray

# camera
IMAGE = '{camera}/image_raw'  # sensor_msgs/Image
CAMERA_INFO = '{camera}/camera_info'  # sensor_msgs/CameraInfo
WRIST = 'wrist'  # the role of the camera that the tasks use; its node is `camera`
WRIST_CAMERA = 'wrist_camera'
CAMERA_NODE = 'camera'

# kinematics
GET_TOOL_POSE = 'kinematics/get_tool_pose'
GET_ACTION = 'kinematics/get_action'
GET_JOINT_TARGET = 'kinematics/get_joint_target'
SOLVE_POSE = 'kinematics/solve_pose'

# learning
STEP = 'hilserl/step'
TASK = 'hilserl/task'  # latched
WEIGHTS = 'hilserl/weights'  # latched
REWARD = 'hilserl/reward'
ACTOR_STATUS = 'hilserl/actor_status'
LEARNER_STATUS = 'hilserl/learner_status'

# the operator's keys: std_srvs/Trigger if no other type is noted
START = 'hilserl/start'  # from READY: start an episode
SUCCESS = 'hilserl/success'
FAILURE = 'hilserl/failure'
DISCARD = 'hilserl/discard'  # end the episode and discard it
DISCARD_LAST = 'hilserl/discard_last'  # discard the last finished episode
INTERVENE = 'hilserl/intervene'  # SetBool: true takes over, false gives back
PAUSE = 'hilserl/pause'  # SetBool
ESTOP = 'hilserl/estop'
ESTOP_RESET = 'hilserl/estop_reset'
LEARNER_PAUSE = 'hilserl/learner/pause'  # SetBool
LEARNER_SAVE = 'hilserl/learner/save'
LEARNER_ROLL_BACK = 'hilserl/learner/roll_back'  # to the best checkpoint
LEARNER_LABEL = 'hilserl/learner/label'  # so101_interfaces/LabelEpisode

# simulated cell: what a human at the bench can see and do
SIM_CUBE_POSE = 'sim/cube_pose'  # geometry_msgs/PoseStamped
SIM_HAND = 'sim/hand'  # sensor_msgs/JointState: pull the leader there; no names: release it
SIM_PLACE_CUBE = 'sim/place_cube'  # Trigger

# frames
BASE_FRAME = 'base_link'
TOOL_FRAME = 'tool'


def camera_of(role: str) -> str:
    """Return the name of the camera with a role: it is the first part of its topics."""
    return f'{role}_camera'


def camera_node_of(role: str) -> str:
    """Return the name of the node of the camera with a role."""
    return CAMERA_NODE if role == WRIST else camera_of(role)


def role_of(node: str) -> str:
    """Return the role of the camera that has a node of this name; '' if it is no such name."""
    found = re.fullmatch(r'([a-z][a-z0-9_]{0,30})_camera', node)
    return WRIST if node == CAMERA_NODE else found[1] if found and found[1] != WRIST else ''


def check_role(option: str, role: str) -> None:
    """Raise CellError if this cannot be the role of a camera."""
    if not role_of(camera_node_of(role)):
        raise CellError(
            f'{option}:={role} is no role: small letters, digits and _ only, such as front'
        )


def in_cell(namespace: str, name: str) -> str:
    """Return a diagnostic's name with the cell's namespace: 'left/driver: follower' in '/left'."""
    return '/'.join(filter(None, (namespace.strip('/'), name)))


def of_cell(namespace: str, name: str) -> str:
    """Return a diagnostic's name without the cell's namespace; '' if another cell sent it."""
    node, colon, rest = name.partition(':')
    cell, _, own = node.rpartition('/')
    return own + colon + rest if cell == namespace.strip('/') else ''
