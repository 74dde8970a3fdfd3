"""Turns a plan into launch_ros actions, for the files in launch/."""

from typing import NoReturn

from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch_ros.actions import Node

from so101_node.options import Option
from so101_node.shared_memory import remove_shared_memory_of_the_dead

from .arguments import names, resolve, text_of
from .plan import NodeSpec, make_plan
from .restart_policy import RestartPolicy
from .rights import enclave


def describe(command: str) -> LaunchDescription:
    """Return the launch description of a command."""
    declared = [
        DeclareLaunchArgument(
            name,
            default_value=text_of(each.default),
            description=each.described(),
            **({'choices': choices} if (choices := _choices(each)) else {}),
        )
        for name, each in names(command).items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start, args=[command])])


def _choices(each: Option) -> list[str]:
    return ['true', 'false'] if each.kind is bool else list(each.choices)


def _start(context: LaunchContext, command: str) -> list[Action]:
    # Values from an including launch file are in launch_configurations, not in argv. Launch also
    # stores every default there; a default does not count as given.
    given = {
        name: context.launch_configurations[name]
        for name, each in names(command).items()
        if context.launch_configurations[name] != text_of(each.default)
    }
    # `ros2 launch` accepts any name:=value; an undeclared one is only in argv.
    for word in context.argv:
        name, separator, text = word.partition(':=')
        if separator:
            given[name] = text
    plan = make_plan(resolve(command, given))
    remove_shared_memory_of_the_dead()
    actions = [SetEnvironmentVariable(name, value) for name, value in plan.environment.items()]
    actions += [
        action
        for spec in plan.nodes
        for action in _node_actions(
            spec, plan.namespace, RestartPolicy() if spec.restart else None
        )
    ]
    if plan.note:
        actions.insert(0, LogInfo(msg=plan.note))
    if plan.run_for:
        actions.append(
            TimerAction(
                period=plan.run_for,
                actions=[EmitEvent(event=Shutdown(reason=f'run_for:={plan.run_for:g} is over'))],
            )
        )
    return actions


def _node_actions(spec: NodeSpec, namespace: str, restarts: RestartPolicy | None) -> list[Action]:
    """Return the actions that start one node and react to its end."""
    node = Node(
        package=spec.package,
        executable=spec.executable,
        name=None if spec.node == spec.executable else spec.node,
        namespace=namespace,
        parameters=[spec.parameters],
        ros_arguments=['--enclave', enclave(namespace, spec.node)],
        output='screen',
        emulate_tty=False,
        sigterm_timeout='10',
        sigkill_timeout='5',
    )

    def ended(event: ProcessExited, context: LaunchContext) -> list[Action]:
        """End the cell, or start the node again; if the node failed, the launch fails."""
        code, name = event.returncode, event.process_name
        if context.is_shutdown or not code:
            return [EmitEvent(event=Shutdown(reason=f'{name} ended'))]
        delay = restarts.delay_after(code) if restarts else None
        if delay is None:
            return [
                EmitEvent(event=Shutdown(reason=f'{name} failed')),
                OpaqueFunction(function=_fail, args=[name, code]),
            ]
        return [
            LogInfo(msg=f'{name} died ({code}); starting it again in {delay:g} s'),
            TimerAction(period=delay, actions=_node_actions(spec, namespace, restarts)),
        ]

    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended)), node]


def _fail(_context: LaunchContext, name: str, code: int) -> NoReturn:
    raise RuntimeError(f'{name} failed with exit code {code}')
