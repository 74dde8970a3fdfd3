"""Makes the plan for a launch file, in a process of its own: `plan < REQUEST > ANSWER`, as JSON.

`ros2 launch` runs in the Python of the ROS distribution, which lacks the packages of .venv. This
program runs in .venv. Its answer is plain data, so a launch file imports nothing of .venv.
"""

from collections.abc import Mapping
import json
import os
import sys
from typing import Any

from so101_node.errors import CellError, printable
from so101_node.options import Option

from .arguments import names, resolve, text_of
from .keystore import require_security_if_enabled
from .launch_scope import given_texts, in_namespace, inherited_values
from .planner import make_plan
from .rights import enclave


def main() -> None:
    """Answer one request: `arguments` of a command, or its `plan` in a scope of launch."""
    request = json.load(sys.stdin)
    answer: dict[str, Any]
    try:
        answer = _ANSWERS[request['what']](request)
    except CellError as error:
        answer = {'error': printable(error)}
    json.dump(answer, sys.stdout)


def _arguments(request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        'arguments': [
            {
                'name': name,
                'default': text_of(each.default),
                'description': each.described(),
                'choices': _choices(each),
            }
            for name, each in names(request['command']).items()
        ]
    }


def _choices(each: Option) -> list[str]:
    return ['true', 'false'] if each.kind is bool else list(each.choices)


def _plan(request: Mapping[str, Any]) -> dict[str, Any]:
    outer = request['namespace']
    given = given_texts(request['command'], request['configurations'], request['words'])
    inherited, notes = inherited_values(request['parameters'], outer)
    plan = make_plan(resolve(request['command'], in_namespace(given, outer), inherited))
    require_security_if_enabled(os.environ)
    console = f'see and steer it in a browser: {plan.console}' if plan.console else ''
    return {
        'nodes': [
            {
                'package': spec.package,
                'executable': spec.executable,
                'name': spec.node,
                'parameters': spec.parameters,
                'enclave': enclave(plan.namespace, spec.node),
                'restart': spec.restart,
                'optional': spec.optional,
            }
            for spec in plan.nodes
        ],
        'namespace': '/' + plan.namespace.strip('/'),
        'environment': plan.environment,
        'run_for': plan.run_for,
        'notes': [note for note in (plan.note, *notes, console) if note],
    }


_ANSWERS = {'arguments': _arguments, 'plan': _plan}
