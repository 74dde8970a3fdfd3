"""What each node of a cell may do, as SROS 2 policies: its own topics and services, no others.

A test compares the table with the graph of a running cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from so101_node import names


@dataclass(frozen=True)
class Rights:
    """The topics and services of one node, with names as in names.py."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    serve: tuple[str, ...] = ()
    call: tuple[str, ...] = ()


def _of_arms(*templates: str) -> tuple[str, ...]:
    return tuple(each.format(arm=arm) for each in templates for arm in names.ARMS)


def _of_camera(camera: str) -> tuple[str, ...]:
    return tuple(each.format(camera=camera) for each in (names.IMAGE, names.CAMERA_INFO))


_LIFECYCLE = (
    names.CHANGE_STATE,
    names.GET_STATE,
    names.GET_STATES,
    names.GET_TRANSITIONS,
    names.GET_GRAPH,
)


def _managed(node: str, rights: Rights) -> Rights:
    """Return the rights of a managed node: its own and those of the lifecycle."""
    return Rights(
        (*rights.publish, names.TRANSITION_EVENT.format(node=node)),
        rights.subscribe,
        (*rights.serve, *(each.format(node=node) for each in _LIFECYCLE)),
        rights.call,
    )


def _camera(node: str, camera: str) -> Rights:
    return _managed(node, Rights(publish=(*_of_camera(camera), names.DIAGNOSTICS)))


_CAMERA = _of_camera(names.WRIST_CAMERA)
_IMAGES = tuple(
    each.format(camera=names.WRIST_CAMERA) for each in (names.IMAGE, names.COMPRESSED_IMAGE)
)
_STOPS = (names.DRIVER_STOP, names.DRIVER_RELEASE)
_MARKS = (names.START, names.SUCCESS, names.FAILURE, names.INTERVENE)
_KEYS = (
    *_MARKS,
    names.DISCARD,
    names.DISCARD_LAST,
    names.PAUSE,
    names.ESTOP,
    names.ESTOP_RESET,
)
_KINEMATICS = (
    names.GET_TOOL_POSE,
    names.GET_ACTION,
    names.GET_JOINT_TARGET,
    names.SOLVE_POSE,
)
_LEARNER = (
    names.LEARNER_PAUSE,
    names.LEARNER_SAVE,
    names.LEARNER_ROLL_BACK,
    names.LEARNER_LABEL,
)

RIGHTS = {
    'driver': _managed(
        'driver',
        Rights(
            publish=(
                *_of_arms(names.JOINT_STATES, names.JOINT_TARGETS),
                names.DRIVER_STATUS,
                names.DIAGNOSTICS,
            ),
            subscribe=(*_of_arms(names.JOINT_COMMANDS), names.ACTOR_STATUS, *_STOPS),
            serve=(
                *_of_arms(names.SET_TORQUE, names.CLEAR_FAULTS),
                *_STOPS,
                names.DRIVER_STOP_RESET,
                names.TAKE_COMMAND,
            ),
        ),
    ),
    names.CAMERA_NODE: _camera(names.CAMERA_NODE, names.WRIST_CAMERA),
    'kinematics': Rights(serve=_KINEMATICS),
    'world': Rights(
        publish=(
            *_CAMERA,
            names.REWARD,
            names.SIM_SUCCESS,
            names.SIM_CUBE_POSE,
            names.SIM_TARGET_POSE,
            names.DIAGNOSTICS,
        ),
        subscribe=(names.SIM_HAND, names.TASK, names.ACTOR_STATUS),
        serve=(names.SIM_PLACE_CUBE,),
    ),
    'actor': Rights(
        publish=(
            *_of_arms(names.JOINT_COMMANDS),
            names.DRIVER_STOP,
            names.STEP,
            names.TASK,
            names.ACTOR_STATUS,
            names.DIAGNOSTICS,
        ),
        subscribe=(
            *_of_arms(names.JOINT_STATES, names.JOINT_TARGETS),
            *_CAMERA,
            names.COMPRESSED_IMAGE.format(camera=names.WRIST_CAMERA),
            names.DRIVER_STATUS,
            names.WEIGHTS,
            names.REWARD,
            names.LEARNER_STATUS,
            names.LINK_STATUS,
            names.DIAGNOSTICS,
        ),
        serve=_KEYS,
        call=(
            *_KINEMATICS,
            *_of_arms(names.SET_TORQUE, names.CLEAR_FAULTS),
            *_STOPS,
            names.TAKE_COMMAND,
            names.LEARNER_LABEL,
            names.GET_POLICY_TARGET,
        ),
    ),
    'learner': Rights(
        publish=(names.WEIGHTS, names.LEARNER_STATUS, names.RECORDED, names.DIAGNOSTICS),
        subscribe=(names.STEP, names.TASK),
        serve=_LEARNER,
    ),
    # on the arm's host, in place of the learner
    'link_client': Rights(
        publish=(names.WEIGHTS, names.LEARNER_STATUS, names.LINK_STATUS, names.DIAGNOSTICS),
        subscribe=(names.STEP,),
        serve=_LEARNER,
    ),
    # on the learner's host, in place of the cells. Its steps go over a topic of each start of the
    # learner, which no policy can name: ./cell learn refuses to start with SROS 2.
    'link_server': Rights(
        subscribe=(names.WEIGHTS, names.LEARNER_STATUS, names.RECORDED, names.DIAGNOSTICS),
        call=_LEARNER,
    ),
    'success_detector': Rights(
        publish=(names.REWARD, names.DIAGNOSTICS), subscribe=(names.STEP, names.TASK)
    ),
    'lerobot_policy': Rights(publish=(names.DIAGNOSTICS,), serve=(names.GET_POLICY_TARGET,)),
    'operator': Rights(
        publish=(*_STOPS, names.SIM_HAND),
        subscribe=(
            names.ACTOR_STATUS,
            names.LEARNER_STATUS,
            names.DRIVER_STATUS,
            names.DIAGNOSTICS,
            *_of_arms(names.JOINT_STATES),
        ),
        call=(
            *_KEYS,
            *_LEARNER,
            *_STOPS,
            names.DRIVER_STOP_RESET,
            *_of_arms(names.CLEAR_FAULTS, names.SET_TORQUE),
            names.SIM_PLACE_CUBE,
        ),
    ),
    'console': Rights(
        publish=(*_STOPS, names.SIM_HAND),
        subscribe=(
            names.ACTOR_STATUS,
            names.LEARNER_STATUS,
            names.TASK,
            names.DIAGNOSTICS,
            *_IMAGES,
            *_of_arms(names.JOINT_STATES),
            names.JOINT_TARGETS.format(arm='follower'),
        ),
        call=(
            *_KEYS,
            names.LEARNER_PAUSE,
            *_STOPS,
            names.DRIVER_STOP_RESET,
            *_of_arms(names.CLEAR_FAULTS, names.SET_TORQUE),
            names.SIM_PLACE_CUBE,
        ),
    ),
    'virtual_leader': Rights(
        publish=(names.JOINT_STATES.format(arm='leader'), names.DIAGNOSTICS),
        subscribe=(
            names.JOINT_COMMANDS.format(arm='leader'),
            names.SIM_HAND,
            names.ACTOR_STATUS,
        ),
    ),
    'scripted_operator': Rights(
        publish=(names.SIM_HAND,),
        subscribe=(
            *_of_arms(names.JOINT_STATES),
            names.ACTOR_STATUS,
            names.SIM_SUCCESS,
            names.SIM_CUBE_POSE,
            names.SIM_TARGET_POSE,
            names.DIAGNOSTICS,
        ),
        call=(*_MARKS, *_of_arms(names.CLEAR_FAULTS), names.SIM_PLACE_CUBE),
    ),
}
# Of every node of ROS 2.
_ROS_PUBLISHES = ('/rosout', '/parameter_events')
_ROS_SUBSCRIBES = {'operator': ('/rosout',), 'console': ('/rosout',)}
_ROS_SERVES = (
    '~/describe_parameters',
    '~/get_parameter_types',
    '~/get_parameters',
    '~/list_parameters',
    '~/set_parameters',
    '~/set_parameters_atomically',
)


def rights_of(node: str) -> Rights:
    """Return the rights of a node; one more camera, as `front_camera`, has topics of its own."""
    role = names.role_of(node)
    if node in RIGHTS or not role:
        return RIGHTS[node]
    return _camera(node, names.camera_of(role))


def enclave(namespace: str, node: str) -> str:
    """Return the name of a node's enclave, which is its full name."""
    return '/' + '/'.join(filter(None, (namespace.strip('/'), node)))


def policy(namespace: str, node: str, cells: Sequence[str] = (), roles: Sequence[str] = ()) -> str:
    """Return the policy of one node, for `ros2 security create_permission`.

    cells: namespaces that a learner serves besides its own; roles: of further cameras, which a
    task may have and the console shows.
    """
    rights = rights_of(node)
    root = ElementTree.Element('policy', version='0.2.0')
    profiles = ElementTree.SubElement(
        ElementTree.SubElement(
            ElementTree.SubElement(root, 'enclaves'), 'enclave', path=enclave(namespace, node)
        ),
        'profiles',
    )
    space = '/' + namespace.strip('/')
    profile = ElementTree.SubElement(profiles, 'profile', ns=space, node=node)
    cameras = [names.camera_of(role) for role in roles]
    shown = [
        each.format(camera=camera)
        for camera in cameras
        for each in (names.IMAGE, names.COMPRESSED_IMAGE)
        if node in ('actor', 'console')
    ]
    made = [each for camera in cameras for each in _of_camera(camera) if node == 'world']
    seen, sent = (*rights.subscribe, *shown), (*rights.publish, *made)
    spaces = [namespace, *(cell for cell in cells if node == 'learner')]
    _add(profile, 'topic', {'publish': 'ALLOW'}, [*_ROS_PUBLISHES, *_in(spaces, sent)])
    subscribed = [*_ROS_SUBSCRIBES.get(node, ()), *_in(spaces, seen)]
    _add(profile, 'topic', {'subscribe': 'ALLOW'}, subscribed)
    _add(profile, 'service', {'reply': 'ALLOW'}, [*_ROS_SERVES, *_in(spaces, rights.serve)])
    _add(profile, 'service', {'request': 'ALLOW'}, _in(spaces, rights.call))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding='unicode', xml_declaration=True) + '\n'


def _in(spaces: Sequence[str], relative: Sequence[str]) -> list[str]:
    """Return full names, each once."""
    return sorted(
        {name if name[0] == '/' else enclave(space, name) for space in spaces for name in relative}
    )


def _add(
    profile: ElementTree.Element, kind: str, rule: Mapping[str, str], of: Sequence[str]
) -> None:
    if of:
        several = ElementTree.SubElement(profile, f'{kind}s', dict(rule))
        for name in of:
            ElementTree.SubElement(several, kind).text = name
