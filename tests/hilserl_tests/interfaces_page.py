"""Makes docs/interfaces.md: topics, services, messages: `python -m hilserl_tests.interfaces_page`.

Names and types come from so101_node/names.py, publishers and subscribers from the table of rights
(a test compares it with the graph of a running cell), and messages from their definitions. With
--write the page is written.
"""

from collections.abc import Iterable
from pathlib import Path
import re
import sys
from typing import NamedTuple

from hilserl_actor.bringup.rights import RIGHTS
from so101_node import names

from .source_tree import source_root

HEAD = """# Topics, services and messages

Generated from the code by `python -m hilserl_tests.interfaces_page --write`; a test compares them.

All names are relative: with `namespace:=b` they begin with `/b/`. `{arm}` is `follower` or
`leader`; `{camera}` is `wrist_camera`, or `ROLE_camera` of a further camera; `{node}` is `driver`
or the node of a camera; `{session}` is that of `hilserl/recorded`. `ros2 topic echo`,
`ros2 service call` and any other ROS 2 program work with all of them.
"""
_LINE = re.compile(r"^([A-Z_]+) = '([^']+)'  # (\w+/\w+)(?: and (\w+/\w+))?: (.*)$", re.M)

_MANAGED = ('driver', names.CAMERA_NODE)
_LIFECYCLE_SERVICES = (
    'ChangeState',
    'GetState',
    'GetAvailableStates',
    'GetAvailableTransitions',
)


class Interface(NamedTuple):
    """A topic or a service: its name as a template, its type, what it is for."""

    name: str
    kind: str
    purpose: str


def page() -> str:
    """Return the page in Markdown."""
    topics, services = interfaces()
    return ''.join(
        [
            HEAD,
            '\n## Topics\n',
            _table(topics, 'published by', 'received by', 'publish', 'subscribe'),
            '\n## Services\n',
            _table(services, 'offered by', 'used by', 'serve', 'call'),
            '\n`ros2 service call` may use each of them, too.\n',
            *_definitions(),
        ]
    )


def interfaces() -> tuple[list[Interface], list[Interface]]:
    """Return topics and services in the order of names.py. A name may be both."""
    text = Path(names.__file__).read_text(encoding='utf-8')
    topics: list[Interface] = []
    services: list[Interface] = []
    for _, name, first, second, purpose in _LINE.findall(text):
        for kind in filter(None, (first, second)):
            package, short = kind.split('/')
            is_service = (source_root() / 'src' / package / 'srv' / f'{short}.srv').exists()
            is_service |= package == 'std_srvs' or short in _LIFECYCLE_SERVICES
            several = services if is_service else topics
            several.append(Interface(name, kind, purpose))
    return topics, services


def _table(found: Iterable[Interface], gives: str, takes: str, giving: str, taking: str) -> str:
    rows = [
        f'| `{each.name}` | {each.kind} | {each.purpose} | {_nodes(each.name, giving)} '
        f'| {_nodes(each.name, taking)} |'
        for each in found
    ]
    head = f'| name | type | content | {gives} | {takes} |'
    return '\n'.join([head, '|---|---|---|---|---|', *rows]) + '\n'


def _nodes(template: str, field: str) -> str:
    """Return the nodes that have a name in one field of their rights, as text."""
    if template.startswith('watch/'):  # of `./cell watch --play`, which is in no cell
        return '`./cell watch RUN --play`' if field == 'publish' else 'any viewer'
    if template == names.LINKED_STEP:  # no table of rights can name it
        return 'link_server' if field == 'publish' else 'learner'
    wanted = {
        template.format(arm=arm, camera=names.WRIST_CAMERA, node=node)
        for arm in names.ARMS
        for node in _MANAGED
    }
    return ', '.join(
        node for node, rights in RIGHTS.items() if wanted & set(getattr(rights, field))
    )


def _definitions() -> Iterable[str]:
    for folder, title in (('msg', 'Messages'), ('srv', 'Service types')):
        yield f'\n## {title} of so101_interfaces\n'
        for file in sorted((source_root() / 'src' / 'so101_interfaces' / folder).glob('*.*')):
            yield f'\n### {file.stem}\n```\n{file.read_text(encoding="utf-8").rstrip()}\n```\n'


if __name__ == '__main__':
    if sys.argv[1:] == ['--write']:
        (source_root() / 'docs' / 'interfaces.md').write_text(page(), encoding='utf-8')
    else:
        print(page(), end='')
