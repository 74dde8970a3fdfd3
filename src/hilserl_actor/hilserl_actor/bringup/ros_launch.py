"""`bringup`'s plan as launch_ros actions, for the files in launch/. Holds no fact of its own."""

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
from launch_ros.actions import Node

from launch import LaunchDescription

from . import arguments
from .plan import NodeSpec, make_plan
from .restart_policy import Restarts


def describe(command: str) -> LaunchDescription:
    """Return the launch description of a command."""
    declared = [
        DeclareLaunchArgument(
            a.name,
            default_value=a.default,
            description=a.description,
            **({'choices': list(a.choices)} if a.choices else {}),
        )
        for a in arguments.arguments(command)
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start, args=[command])])


def _start(context, command: str) -> list:
    table = {a.name for a in arguments.arguments(command)}
    # `ros2 launch` takes any name:=value; what nobody declared is in argv alone.
    given = {
        word.partition(':=')[0]: word.partition(':=')[2] for word in context.argv if ':=' in word
    }
    given |= {name: context.launch_configurations[name] for name in table}
    plan = make_plan(command, arguments.resolve(command, given))
    actions = [SetEnvironmentVariable(name, value) for name, value in plan.environment.items()]
    actions += [
        action
        for spec in plan.nodes
        for action in _part(spec, plan.namespace, Restarts() if spec.restart else None)
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


def _part(spec: NodeSpec, namespace: str, restarts: Restarts | None) -> list:
    """One node, and what its end leads to."""
    node = Node(
        package=spec.package,
        executable=spec.executable,
        namespace=namespace,
        parameters=[spec.parameters],
        output='screen',
        emulate_tty=False,
        sigterm_timeout='5',
        sigkill_timeout='3',
    )

    def ended(event, context):
        """One part's end ends the cell; a failure is the launch's failure, too."""
        code, name = event.returncode, event.process_name
        if context.is_shutdown or not code:
            return [EmitEvent(event=Shutdown(reason=f'{name} ended'))]
        delay = restarts.after(code) if restarts else None
        if delay is None:
            return [
                EmitEvent(event=Shutdown(reason=f'{name} failed')),
                OpaqueFunction(function=_fail, args=[name, code]),
            ]
        return [
            LogInfo(msg=f'{name} died ({code}); starting it again in {delay:g} s'),
            TimerAction(period=delay, actions=_part(spec, namespace, restarts)),
        ]

    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended)), node]


def _fail(_context, name: str, code: int):
    raise RuntimeError(f'{name} failed with exit code {code}')
