"""Topic and service names, once. All are relative: a namespace makes a second cell."""

ARMS = ('follower', 'leader')

# driver (ARM is 'follower' or 'leader')
JOINT_STATES = '{arm}/joint_states'  # sensor_msgs/JointState
JOINT_COMMANDS = '{arm}/joint_commands'  # sensor_msgs/JointState, position, rad
JOINT_TARGETS = '{arm}/joint_targets'  # the command that was taken, as limited; its stamp
SET_TORQUE = '{arm}/set_torque'  # std_srvs/SetBool
CLEAR_FAULTS = '{arm}/clear_faults'  # std_srvs/Trigger
DIAGNOSTICS = '/diagnostics'  # diagnostic_msgs/DiagnosticArray

# camera
IMAGE = '{camera}/image_raw'  # sensor_msgs/Image
CAMERA_INFO = '{camera}/camera_info'  # sensor_msgs/CameraInfo
WRIST_CAMERA = 'wrist_camera'

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

# the operator's keys, each a std_srvs/Trigger (INTERVENE: SetBool, true while held)
START = 'hilserl/start'  # READY -> the policy drives
SUCCESS = 'hilserl/success'
FAILURE = 'hilserl/failure'
DISCARD = 'hilserl/discard'  # end the episode and forget it
DISCARD_LAST = 'hilserl/discard_last'  # forget the last finished one
INTERVENE = 'hilserl/intervene'
PAUSE = 'hilserl/pause'  # SetBool
ESTOP = 'hilserl/estop'
ESTOP_RESET = 'hilserl/estop_reset'
LEARNER_PAUSE = 'hilserl/learner/pause'  # SetBool
LEARNER_SAVE = 'hilserl/learner/save'
LEARNER_ROLL_BACK = 'hilserl/learner/roll_back'  # to the best checkpoint
LEARNER_LABEL = 'hilserl/learner/label'  # so101_interfaces/LabelEpisode

# simulated cell: what a human at the bench could see and do
SIM_CUBE_POSE = 'sim/cube_pose'  # geometry_msgs/PoseStamped
SIM_HAND = 'sim/hand'  # sensor_msgs/JointState; no names: the hand lets go
SIM_PLACE_CUBE = 'sim/place_cube'  # Trigger

# frames
BASE_FRAME = 'base_link'
TOOL_FRAME = 'tool'


def in_cell(namespace: str, name: str) -> str:
    """A diagnostic's name in the cell of that namespace: 'left/driver: follower' in '/left'."""
    return '/'.join(filter(None, (namespace.strip('/'), name)))


def of_cell(namespace: str, name: str) -> str:
    """A diagnostic's name without its cell's namespace; '' if it is of another cell."""
    node, colon, rest = name.partition(':')
    cell, _, own = node.rpartition('/')
    return own + colon + rest if cell == namespace.strip('/') else ''
