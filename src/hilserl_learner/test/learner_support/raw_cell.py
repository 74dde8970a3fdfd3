"""A cell's raw recording, made by the cell's own arithmetic: what was executed is known."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from hilserl_core.bags.cdr import typestore
from so101_description.joints import JOINTS

START = 1_700_000_000 * 10**9
TICK = 10**8
JOINT, IMAGE = 'sensor_msgs/msg/JointState', 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
STATUS, REWARD = 'so101_interfaces/msg/ActorStatus', 'so101_interfaces/msg/Reward'
TOPICS = {
    'follower': ('/follower/joint_states', JOINT),
    'leader': ('/leader/joint_states', JOINT),
    'commands': ('/follower/joint_commands', JOINT),
    'images': ('/wrist_camera/image_raw', IMAGE),
    'front': ('/front_camera/image_raw', IMAGE),
    'status': ('/hilserl/actor_status', STATUS),
    'rewards': ('/hilserl/reward', REWARD),
}


@dataclass
class Recording:
    """(stamp, content) of each stream, and the actions that were executed by episode."""

    streams: dict[str, list] = field(default_factory=lambda: {name: [] for name in TOPICS})
    executed: dict[str, np.ndarray] = field(default_factory=dict)


def make(schema, kinematics, episodes=2, length=20, rng=None) -> Recording:
    """Episodes of a human's motion, each followed by a second of rest.

    The hand goes as it likes; the gripper closes onto something that stops it half way. If the
    action turns the wrist or joints, the hand turns, too.
    """
    turn = 0.15 * bool(set(kinematics.space.names) - {'dx', 'dy', 'dz', 'gripper'})
    rng = rng or np.random.default_rng(0)
    recording, now = Recording(), START
    for number in range(episodes):
        name = f'episode-{number}'
        q = kinematics.solve((0.22, 0.0, 0.08), schema.pitch, 0.0, 0.9, np.zeros(6)).q
        reference, hand = q.copy(), q.copy()
        clutch = hand.copy(), reference.copy()
        recording.streams['commands'].append((now, q.copy()))  # the reset's last
        now = _rest(recording, now, q, hand, 25)
        phase, executed = rng.uniform(0, 6, 3), []
        for tick in range(length):
            action = schema.executed(kinematics.action_between(hand, reference, *clutch).unclipped)
            executed.append(action)
            _sense(recording, now, q, hand)
            target = kinematics.joint_target(
                q, reference, action, schema.pitch, schema.wrist_roll, hold=clutch[1]
            ).q
            recording.streams['commands'].append((now + 2_000_000, target))
            _status(recording, now, 'HUMAN', name)
            place = kinematics.tool_pose(hand)[0] + 0.01 * np.sin(phase + tick / 4)
            wrist = schema.pitch - turn * (1 - np.cos(tick / 5)), turn * np.sin(tick / 5)
            hand = kinematics.solve(place, *wrist, max(-0.1, hand[5] - 0.11), hand).q
            blocked = target.copy()
            blocked[5] = max(blocked[5], 0.35)  # the object
            for i in range(1, 10):  # the arm lags a little
                q = q + 0.25 * (blocked - q)
                _sense(recording, now + i * TICK // 10, q, hand)
            reference, now = target, now + TICK
        recording.executed[name] = np.array(executed, np.float32)
        recording.streams['rewards'].append((now - 1000, (1.0, True)))
        now = _rest(recording, now, q, hand, 25)
    return recording


def _rest(recording, now, q, hand, ticks) -> int:
    for _ in range(ticks):
        _status(recording, now, 'READY', '')
        for i in range(10):
            _sense(recording, now + i * TICK // 10, q, hand)
        recording.streams['rewards'].append((now, (0.0, False)))
        now += TICK
    return now


def _sense(recording, now, q, hand) -> None:
    recording.streams['follower'].append((now, q.copy()))
    recording.streams['leader'].append((now, hand.copy()))
    if now // 10**7 % 3 == 0:
        image = np.full((120, 160, 3), now // 10**7 % 200, np.uint8)
        image[:40] = (200, 100, 0)  # a stripe, so that colours and crop show
        recording.streams['images'].append((now, image))


def _status(recording, now, mode, name) -> None:
    recording.streams['status'].append((now, (mode, name)))


def write(
    directory,
    recording,
    drop=(),
    compressed=False,
    plugin=StoragePlugin.MCAP,
    compression=None,
    namespace='',
    convert=None,
    jitter=0,
    silent=(),
    clock=lambda ns: ns,
    clock_of=lambda name, ns: ns,
) -> None:
    """A rosbag2 of the recording.

    `convert` maps joint values; `jitter`: recorded so late, ns; `silent`: topics without messages;
    `clock`: what this computer's clock shows at a time of the recording, ns;
    `clock_of`: the same of the computer that publishes a topic.
    """
    types = typestore().types
    header = types['std_msgs/msg/Header']
    time = types['builtin_interfaces/msg/Time']

    def stamped(ns, frame=''):
        return header(stamp=time(sec=ns // 10**9, nanosec=ns % 10**9), frame_id=frame)

    def build(name, kind, stamp, value):
        if kind == JOINT:
            values = value if convert is None else convert(value)
            return types[kind](
                header=stamped(stamp),
                name=list(JOINTS),
                position=np.array(values, np.float64),
                velocity=np.zeros(0),
                effort=np.zeros(0),
            )
        if kind == IMAGE:
            return types[kind](
                header=stamped(stamp),
                height=value.shape[0],
                width=value.shape[1],
                encoding='rgb8',
                is_bigendian=0,
                step=3 * value.shape[1],
                data=value.reshape(-1),
            )
        if kind == COMPRESSED:
            data = cv2.imencode('.png', value[:, :, ::-1])[1]
            return types[kind](header=stamped(stamp), format='png', data=data)
        blank = {
            name: '' if field.type == 'str' else 0
            for name, field in types[kind].__dataclass_fields__.items()
            if name != '__msgtype__'
        }
        names = ('value', 'success') if kind == REWARD else ('mode', 'episode_id')
        return types[kind](**{**blank, 'header': stamped(stamp), **dict(zip(names, value))})

    messages, rng = [], np.random.default_rng(0)
    writer = Writer(directory, version=9, storage_plugin=plugin)
    if compression:
        writer.set_compression(*compression)
    with writer:
        for name, (topic, kind) in TOPICS.items():
            if name in drop or not recording.streams[name]:
                continue
            if name == 'images' and compressed:
                topic, kind = topic + '/compressed', COMPRESSED
            connection = writer.add_connection(namespace + topic, kind, typestore=typestore())
            messages += [
                (stamp, connection, name, kind, value)
                for stamp, value in recording.streams[name]
                if name not in silent
            ]
        late = 3_000_000 + rng.integers(0, jitter + 1, len(messages))
        arrivals = [stamp + int(ns) for (stamp, *_), ns in zip(messages, late)]
        for number in sorted(range(len(messages)), key=lambda n: arrivals[n]):
            stamp, connection, name, kind, value = messages[number]
            writer.write(
                connection,
                clock(stamp) + arrivals[number] - stamp,
                typestore().serialize_cdr(
                    build(name, kind, clock_of(name, clock(stamp)), value), kind
                ),
            )
