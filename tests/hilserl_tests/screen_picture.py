"""docs/screen.svg: the operator's screen, drawn by the cell's own code from a recorded cell.

python -m hilserl_tests.screen_picture --record 60   read a cell that runs now (`./cell train`) for
                                                     60 s into docs/screen.json
python -m hilserl_tests.screen_picture --write       draw docs/screen.svg from docs/screen.json

A test compares the picture with what the screen shows now.
"""

from argparse import ArgumentParser
import io
import json
from pathlib import Path
import re
import time
from typing import Any

import rclpy
from rich.console import Console

from hilserl_actor.operator.screen import Screen
from hilserl_actor.operator_node import OperatorNode
from hilserl_actor.options import SCRIPTED
from so101_interfaces.msg import ActorStatus, LearnerStatus
from so101_node.errors import CellError

from .source_tree import source_root

SIZE = 112, 40  # columns, lines
DATA, PICTURE = 'docs/screen.json', 'docs/screen.svg'


def picture(data: dict[str, Any]) -> str:
    """Return the SVG of the screen. data: as `record` returns it."""
    screen, now = Screen(data['teleop']), data['policy_age']
    actor, learner = ActorStatus(**data['actor']), LearnerStatus(**data['learner'])
    screen.note_actor(actor, 0.0)  # its policy came then
    screen.note_actor(actor, now)
    screen.note_learner(learner, now)
    screen.servos = data['servos']
    screen.warnings = {name: (level, text) for name, (level, text) in data['warnings'].items()}
    screen.outcomes.extend(data['outcomes'])
    screen.lines.extend((style, text) for style, text in data['lines'])
    width, height = SIZE
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(screen.render(now, height, width))
    svg = console.export_svg(title='./cell train', unique_id='screen')
    # no font from elsewhere: the reader's own monospace; no spaces at the ends of lines
    svg = re.sub(r'@font-face \{.*?\}', '', svg, flags=re.DOTALL)
    return re.sub(r'[ \t]+$', '', svg, flags=re.MULTILINE).strip() + '\n'


def record(seconds: float, teleop: str) -> dict[str, Any]:
    """Return what the screen of a running cell has after `seconds`; CellError without a cell."""
    rclpy.init(args=['--ros-args', '-p', f'teleop:={teleop}', '-p', 'screen:=spoken'])
    node = OperatorNode()
    version, since, until = 0, time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < until:
        rclpy.spin_once(node, timeout_sec=0.1)
        actor = node.screen.actor
        if actor is not None and actor.policy_version != version:
            version, since = actor.policy_version, time.monotonic()
    screen, age = node.screen, time.monotonic() - since
    rclpy.try_shutdown()
    if screen.actor is None or screen.learner is None:
        raise CellError('no cell trains in this ROS domain')
    return {
        'teleop': teleop,
        'policy_age': round(age, 1),
        'actor': _values(screen.actor),
        'learner': _values(screen.learner),
        'servos': screen.servos,
        'warnings': screen.warnings,
        'outcomes': ''.join(screen.outcomes),
        'lines': list(screen.lines),
    }


def _values(message: Any) -> dict[str, Any]:
    """Return the fields of a message without its header."""
    fields = {name: getattr(message, name) for name in message.get_fields_and_field_types()}
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in fields.items()
        if name != 'header'
    }


def read(root: Path) -> dict[str, Any]:
    """Return the recorded data."""
    data: dict[str, Any] = json.loads((root / DATA).read_text(encoding='utf-8'))
    return data


def main() -> int:
    """Record or draw."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('--record', type=float, metavar='SECONDS', help='read a running cell')
    parser.add_argument('--teleop', default=SCRIPTED, help='who moves the leader in it')
    parser.add_argument('--write', action='store_true', help='draw the picture')
    options = parser.parse_args()
    root = source_root()
    if options.record:
        data = record(options.record, options.teleop)
        text = json.dumps(data, indent=1) + '\n'
        (root / DATA).write_text(text, encoding='utf-8')
    if options.write:
        (root / PICTURE).write_text(picture(read(root)), encoding='utf-8')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
