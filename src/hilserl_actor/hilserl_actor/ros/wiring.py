"""Creates the ROS entities of the actor's clients and inputs, and connects them."""

from collections.abc import Callable
from functools import partial
import time
from typing import Any

from rclpy.client import Client
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty
from std_srvs.srv import SetBool, Trigger

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.other_program import digest_of, directory_of
from so101_interfaces.msg import Reward
from so101_interfaces.srv import GetPolicyTarget, TakeCommand
from so101_node import names, qos
from so101_node.graph import publisher_names, publishers
from so101_node.ros_node import CellNode
from so101_node.run_id import RunFilter

from ..loop.target_policy import TargetPolicy
from ..options import ActorOptions
from .clients import KINEMATICS_SERVICES, DriverRequests, ServiceKinematics, TopicArms
from .image_transport import TRANSPORTS
from .policy_client import ServiceTargets
from .publisher_check import PublisherCheck
from .sensors import Sensors


def make_publisher_check(node: CellNode, role: str, reward_topic: bool) -> Callable[[], str]:
    """Return the check for a second publisher of this cell's topics."""
    topics = [names.JOINT_COMMANDS.format(arm=arm) for arm in names.ARMS]
    topics += [names.REWARD] if reward_topic else []
    topics += [names.WEIGHTS] if role in ('train', 'record') else []
    check = PublisherCheck(topics, partial(publishers, node), partial(publisher_names, node))
    return lambda: check.problem(time.monotonic())


def make_kinematics(
    node: CellNode, schema: TaskSchema, options: ActorOptions
) -> ServiceKinematics:
    """Return the client of the FK service."""
    return ServiceKinematics(
        schema,
        {name: node.create_client(kind, name) for name, kind in KINEMATICS_SERVICES.items()},
        node.get_clock(),
        options.kinematics_timeout * options.patience,
        options.table_height,
    )


def make_other_policy(
    node: CellNode, schema: TaskSchema, options: ActorOptions, kinematics: ServiceKinematics
) -> TargetPolicy:
    """Return the policy of another program, as its node offers it."""
    client: Client[Any, Any] = node.create_client(GetPolicyTarget, names.GET_POLICY_TARGET)
    return TargetPolicy(
        schema,
        options.other_policy,
        digest_of(directory_of(options.other_policy)),
        ServiceTargets(schema, client, options.patience),
        kinematics,
    )


def make_arms(node: CellNode, run_id: str) -> TopicArms:
    """Return the client of the driver."""
    arms = TopicArms(
        {
            arm: node.create_publisher(
                JointState, names.JOINT_COMMANDS.format(arm=arm), qos.COMMAND
            )
            for arm in names.ARMS
        },
        {arm: node.create_client(SetBool, names.SET_TORQUE.format(arm=arm)) for arm in names.ARMS},
        DriverRequests(
            node.create_publisher(Empty, names.DRIVER_STOP, qos.STATUS),
            node.create_client(Trigger, names.DRIVER_STOP),
            node.create_client(TakeCommand, names.TAKE_COMMAND),
            TakeCommand.Request(node=node.get_fully_qualified_name(), run_id=run_id),
        ),
        node.get_clock(),
        node.get_logger(),
    )
    target = names.JOINT_TARGETS.format(arm='follower')
    node.create_subscription(JointState, target, arms.on_target, qos.COMMANDS_SUB)
    return arms


def make_sensors(
    node: CellNode,
    options: ActorOptions,
    schema: TaskSchema,
    kinematics: ServiceKinematics,
    arms: TopicArms,
    run: RunFilter,
) -> Sensors:
    """Return the actor's inputs, which are subscribed to."""
    transport = TRANSPORTS[options.image_transport]
    sensors = Sensors(
        schema,
        kinematics,
        arms,
        node.get_clock(),
        options.max_image_age * options.patience,
        options.max_state_age * options.patience,
        options.max_skew * options.patience,
        options.reward_source == 'topic',
        run,
        options.patience,
        transport,
    )
    for camera in schema.cameras:
        receive = partial(sensors.on_image, camera.name)
        topic = transport.topic.format(camera=camera.name)
        node.create_subscription(transport.kind, topic, receive, qos.SENSOR_SUB, raw=True)
    for arm in names.ARMS:
        receive = partial(sensors.on_joints, arm)
        topic = names.JOINT_STATES.format(arm=arm)
        node.create_subscription(JointState, topic, receive, qos.SENSOR_SUB)
    node.create_subscription(Reward, names.REWARD, sensors.on_reward, qos.SENSOR_SUB)
    return sensors
