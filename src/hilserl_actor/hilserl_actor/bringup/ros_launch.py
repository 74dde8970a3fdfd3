"""Turns the plan of a command into launch_ros actions, for the files in launch/.

`ros2 launch` runs in the Python of the ROS distribution: this module imports nothing of .venv, and
asks the program `plan` (`launch_plan.py`), which runs in .venv. A launch file of ours may be
included by another one, with arguments, parameters, remappings and a namespace of its own.
"""

from itertools import pairwise
import json
from pathlib import Path
import subprocess
import sys
from typing import Any, NoReturn

from ament_index_python.packages import get_package_prefix
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    GroupAction,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch_ros.actions import Node

from so101_node.errors import CellError
from so101_node.shared_memory import remove_shared_memory_of_the_dead

from .restart_policy import RestartPolicy

PACKAGE = 'hilserl_actor'


def describe(command: str) -> LaunchDescription:
    """Return the launch description of a command."""
    declared = [
        DeclareLaunchArgument(
            each['name'],
            default_value=each['default'],
            description=each['description'],
            **({'choices': each['choices']} if each['choices'] else {}),
        )
        for each in _ask({'what': 'arguments', 'command': command})['arguments']
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start, args=[command])])


def _ask(request: dict[str, Any]) -> Any:
    program = Path(get_package_prefix(PACKAGE)) / 'lib' / PACKAGE / 'plan'
    done = subprocess.run([program], input=json.dumps(request), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise CellError(f'{program} failed; its error is above')
    answer = json.loads(done.stdout)
    if 'error' in answer:
        raise CellError(answer['error'])
    return answer


def started_by_name(file: str, words: list[str]) -> bool:
    """Return whether the command line `words` names this launch file, by path or by package."""
    return any(
        Path(word).name == Path(file).name
        and (before == PACKAGE or Path(word).resolve() == Path(file).resolve())
        for before, word in pairwise(words)
    )


def _start(context: LaunchContext, command: str) -> list[Action]:
    scope = context.launch_configurations
    # Words that an including launch file was given are not for this one.
    ours = started_by_name(context.locals.current_launch_file_path, sys.argv)
    plan = _ask(
        {
            'what': 'plan',
            'command': command,
            'configurations': {k: v for k, v in scope.items() if isinstance(v, str)},
            'words': list(context.argv) if ours else [],
            'namespace': scope.get('ros_namespace') or '',
            'parameters': [
                each if isinstance(each, tuple) else str(each)
                for each in scope.get('global_params') or ()
            ],
        }
    )
    remove_shared_memory_of_the_dead()
    cell = _Cell(plan, list(scope.get('ros_remaps') or ()))
    actions: list[Action] = [LogInfo(msg=note) for note in plan['notes']]
    for node in plan['nodes']:
        actions += cell.node(node, RestartPolicy() if node['restart'] else None)
    if plan['run_for']:
        reason = f'run_for:={plan["run_for"]:g} is over'
        actions.append(
            TimerAction(period=plan['run_for'], actions=[EmitEvent(event=Shutdown(reason=reason))])
        )
    return actions


class _Cell:
    """Starts the nodes of a plan. remaps: those of outer SetRemap actions."""

    def __init__(self, plan: dict[str, Any], remaps: list[Any]):
        self._plan, self._remaps = plan, remaps

    def node(self, spec: dict[str, Any], restarts: RestartPolicy | None) -> list[Action]:
        """Return the actions that start one node and react to its end."""
        node = Node(
            package=spec['package'],
            executable=spec['executable'],
            name=None if spec['name'] == spec['executable'] else spec['name'],
            # Absolute: launch_ros puts an outer PushRosNamespace before a relative one.
            namespace=self._plan['namespace'],
            parameters=[spec['parameters']],
            ros_arguments=['--enclave', spec['enclave']],
            additional_env=self._plan['environment'],
            output='screen',
            emulate_tty=False,
            sigterm_timeout='10',
            sigkill_timeout='5',
        )

        def ended(event: ProcessExited, context: LaunchContext) -> list[Action]:
            """End the cell, or start the node again; if the node failed, the launch fails."""
            code, name = event.returncode, event.process_name
            if context.is_shutdown or (not code and not spec['optional']):
                return [EmitEvent(event=Shutdown(reason=f'{name} ended'))]
            delay = restarts.delay_after(code) if restarts else None
            if delay is None and spec['optional']:
                return [LogInfo(msg=f'{name} ended ({code}); the cell goes on without it')]
            if delay is None:
                return [
                    EmitEvent(event=Shutdown(reason=f'{name} failed')),
                    OpaqueFunction(function=_fail, args=[name, code]),
                ]
            return [
                LogInfo(msg=f'{name} died ({code}); starting it again in {delay:g} s'),
                TimerAction(period=delay, actions=self.node(spec, restarts)),
            ]

        return [
            RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended)),
            GroupAction([OpaqueFunction(function=self._enter), node]),
        ]

    def _enter(self, context: LaunchContext) -> None:
        """Drop the parameters of outer SetParameter actions: the plan has those of its nodes.

        launch_ros gives them to every node, and a node refuses parameters that it does not know.
        """
        scope = context.launch_configurations
        scope.pop('global_params', None)
        if self._remaps:  # for nodes that are started again, too
            scope['ros_remaps'] = self._remaps


def _fail(_context: LaunchContext, name: str, code: int) -> NoReturn:
    raise RuntimeError(f'{name} failed with exit code {code}')
