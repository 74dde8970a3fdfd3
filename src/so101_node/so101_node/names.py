"""The suite's topic, service and frame names.

Names are relative, so a namespace makes a second cell.
"""

import re

from .errors import CellError

ARMS = ('follower', 'leader')

# Each topic and service: its type and, after a colon, what it is for (docs/interfaces.md).

# driver ({arm} is 'follower' or 'leader')
JOINT_STATES = '{arm}/joint_states'  # sensor_msgs/JointState: measured angles, rad
JOINT_COMMANDS = '{arm}/joint_commands'  # sensor_msgs/JointState: wanted angles, rad
JOINT_TARGETS = '{arm}/joint_targets'  # sensor_msgs/JointState: the accepted command, limited
SET_TORQUE = '{arm}/set_torque'  # std_srvs/SetBool: switch the servos' torque
CLEAR_FAULTS = '{arm}/clear_faults'  # std_srvs/Trigger: end latched faults of servos
DRIVER_STATUS = 'driver/status'  # so101_interfaces/DriverStatus: stop in force, who commands
# stops: each a service and a topic; from anybody, in every mode
DRIVER_STOP = 'driver/stop'  # std_srvs/Trigger and std_msgs/Empty: the arms hold
DRIVER_RELEASE = 'driver/release'  # std_srvs/Trigger and std_msgs/Empty: the arms go limp
DRIVER_STOP_RESET = 'driver/stop_reset'  # std_srvs/Trigger: end a stop
TAKE_COMMAND = 'driver/take_command'  # so101_interfaces/TakeCommand: become the commander
DIAGNOSTICS = '/diagnostics'  # diagnostic_msgs/DiagnosticArray: health of every node

# of each managed node ({node} is 'driver' or 'camera')
CHANGE_STATE = '{node}/change_state'  # lifecycle_msgs/ChangeState: make a transition
GET_STATE = '{node}/get_state'  # lifecycle_msgs/GetState: the present state
GET_STATES = '{node}/get_available_states'  # lifecycle_msgs/GetAvailableStates: all states
GET_TRANSITIONS = '{node}/get_available_transitions'  # lifecycle_msgs/GetAvailableTransitions: now
GET_GRAPH = '{node}/get_transition_graph'  # lifecycle_msgs/GetAvailableTransitions: all of them
TRANSITION_EVENT = '{node}/transition_event'  # lifecycle_msgs/TransitionEvent: each transition

# camera
IMAGE = '{camera}/image_raw'  # sensor_msgs/Image: rgb8
COMPRESSED_IMAGE = '{camera}/image_raw/compressed'  # sensor_msgs/CompressedImage: of other nodes
CAMERA_INFO = '{camera}/camera_info'  # sensor_msgs/CameraInfo: size and calibration
WRIST = 'wrist'  # the role of the camera that the tasks use; its node is `camera`
WRIST_CAMERA = 'wrist_camera'
CAMERA_NODE = 'camera'

# kinematics
GET_TOOL_POSE = 'kinematics/get_tool_pose'  # so101_interfaces/GetToolPose: pose of joint angles
GET_ACTION = 'kinematics/get_action'  # so101_interfaces/GetAction: from leader and reference
GET_JOINT_TARGET = 'kinematics/get_joint_target'  # so101_interfaces/GetJointTarget: of an action
SOLVE_POSE = 'kinematics/solve_pose'  # so101_interfaces/SolvePose: joint angles of a pose

# a policy of another program
GET_POLICY_TARGET = 'policy/get_joint_target'  # so101_interfaces/GetPolicyTarget: from LeRobot

# episodes that ./cell watch --play publishes; no node of a cell subscribes to them
WATCHED = 'watch/{camera}/compressed'  # sensor_msgs/CompressedImage: stored images of an episode
WATCHED_FILM = 'watch/episode/compressed'  # sensor_msgs/CompressedImage: pictures of the film

# learning
STEP = 'hilserl/step'  # so101_interfaces/Step: what happened in one control period
LINKED_STEP = 'hilserl/linked_step/{session}'  # so101_interfaces/Step: from other hosts
TASK = 'hilserl/task'  # so101_interfaces/Task: the task's schema, latched
WEIGHTS = 'hilserl/weights'  # so101_interfaces/Weights: the newest policy, latched
REWARD = 'hilserl/reward'  # so101_interfaces/Reward: reward signal of the present moment
ACTOR_STATUS = 'hilserl/actor_status'  # so101_interfaces/ActorStatus: every tick
LEARNER_STATUS = 'hilserl/learner_status'  # so101_interfaces/LearnerStatus: every second
RECORDED = 'hilserl/recorded'  # so101_interfaces/Recorded: steps on the learner's disk, latched
LINK_STATUS = 'hilserl/link_status'  # so101_interfaces/LinkStatus: link to another host

# the operator's keys
START = 'hilserl/start'  # std_srvs/Trigger: from READY: start an episode
SUCCESS = 'hilserl/success'  # std_srvs/Trigger: end the episode as a success
FAILURE = 'hilserl/failure'  # std_srvs/Trigger: end the episode as a failure
DISCARD = 'hilserl/discard'  # std_srvs/Trigger: end the episode and discard it
DISCARD_LAST = 'hilserl/discard_last'  # std_srvs/Trigger: discard the last finished episode
INTERVENE = 'hilserl/intervene'  # std_srvs/SetBool: true takes over, false gives back
PAUSE = 'hilserl/pause'  # std_srvs/SetBool: true pauses, false goes on
ESTOP = 'hilserl/estop'  # std_srvs/Trigger: emergency stop of actor and driver
ESTOP_RESET = 'hilserl/estop_reset'  # std_srvs/Trigger: end the actor's stop
LEARNER_PAUSE = 'hilserl/learner/pause'  # std_srvs/SetBool: true stops the updates
LEARNER_SAVE = 'hilserl/learner/save'  # std_srvs/Trigger: save a checkpoint now
LEARNER_ROLL_BACK = 'hilserl/learner/roll_back'  # std_srvs/Trigger: to the best checkpoint
LEARNER_LABEL = 'hilserl/learner/label'  # so101_interfaces/LabelEpisode: outcome of an episode

# simulated cell: what a human at the bench can see and do; sim/hand pulls a virtual leader, too
SIM_CUBE_POSE = 'sim/cube_pose'  # geometry_msgs/PoseStamped: where the grasped body is
SIM_TARGET_POSE = 'sim/target_pose'  # geometry_msgs/PoseStamped: where it is to be put
SIM_SUCCESS = 'sim/success'  # std_msgs/Bool: whether the task is done, as a person sees it
SIM_HAND = 'sim/hand'  # sensor_msgs/JointState: pull the leader there; no names: release it
SIM_PLACE_CUBE = 'sim/place_cube'  # std_srvs/Trigger: place the cube at a new position

# what rviz shows besides the arms, from view.launch.py
VIEW_PATH = 'view/tool_path'  # nav_msgs/Path: where the tool was
VIEW_BOX = 'view/workspace_box'  # visualization_msgs/Marker: the workspace box

# frames
BASE_FRAME = 'base_link'
TOOL_FRAME = 'tool'


def base_frame_of(arm: str) -> str:
    """Return the frame of an arm's base, as view.launch.py publishes it."""
    return BASE_FRAME if arm == 'follower' else f'{arm}/{BASE_FRAME}'


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


DETECTOR = 'detector'  # begins the source of a reward that a success detector gives


def in_cell(namespace: str, name: str) -> str:
    """Return a diagnostic's name with the cell's namespace: 'left/driver: follower' in '/left'."""
    return '/'.join(filter(None, (namespace.strip('/'), name)))


def of_cell(namespace: str, name: str) -> str:
    """Return a diagnostic's name without the cell's namespace; '' if another cell sent it."""
    node, colon, rest = name.partition(':')
    cell, _, own = node.rpartition('/')
    return own + colon + rest if cell == namespace.strip('/') else ''
