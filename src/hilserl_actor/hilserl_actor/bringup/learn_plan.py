"""The plan of `./cell learn`: a learner alone, for arms on other hosts, which join over the link.

The run id is kept in the run's directory: steps that an arm stored while the learner was away are
of the same run after the learner's next start.
"""

from collections.abc import Iterable
from dataclasses import replace
import json
import os
from pathlib import Path
from typing import Any

from so101_node.durable import make_private, replace_file, writing
from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes
from so101_node.loopback import loopback_environment, require_this_host
from so101_node.names import CAMERA_NODE
from so101_node.options import nearest, options_of, plain_values
from so101_node.run_id import check_run_id, new_run_id

from .arguments import Arguments, parse, text_of, texts_of
from .node_table import is_node, node_type
from .options import CellOptions
from .plan import ENVIRONMENT, NodeSpec, Plan
from .run_directory import run_directory

NODES = ('learner', 'link_server')
# the options of the cell that a learner alone has, too
CELL = ('run', 'runs_dir', 'run_for', 'namespace', 'sim', 'bench', 'params_file', 'insecure')


def make_learn_plan(words: Iterable[str]) -> Plan:
    """Return the plan for words, name:=value. CellError for what a learner alone cannot have."""
    words = list(words)
    for name in texts_of(words):
        if name in options_of(CellOptions) and name not in CELL:
            raise CellError(f'learn has no option {name}{nearest(name, _shown())}')
    return _plan(parse('train', words))


def _plan(given: Arguments) -> Plan:
    cell = given.cell
    require_this_host(os.environ, cell.insecure)
    if os.environ.get('ROS_SECURITY_ENABLE') == 'true':
        raise CellError(
            'learn cannot run with SROS 2: its topic for steps has another name at each start; '
            'unset ROS_SECURITY_ENABLE: the link has keys of its own'
        )
    for name in NODES:
        if not is_node(name):
            raise CellError(f'there is no node {name} here; run ./cell setup')
    shared: dict[str, Any] = {}
    if not cell.sim:  # the size of the images that the task crops
        width, height = given.node(CAMERA_NODE).image_size
        shared = {'image_width': width, 'image_height': height, 'world': 'real'}
    run_dir = run_directory(given, given.node('learner').task)
    learner = _learner(given, run_dir, shared)
    own = {name: shared[name] for name in ('image_width', 'image_height') if name in shared}
    server = given.node(
        'link_server',
        run_id=learner.run_id,
        without_keys=cell.insecure,
        excluded_file=str(run_dir / 'link' / 'excluded'),
        **own,
    )
    given.require_use(NODES)
    nodes = {'learner': learner, 'link_server': server}
    values = {name: plain_values(options) for name, options in nodes.items()}
    values['learner']['cell_options'] = json.dumps(
        {'command': 'learn', 'cell': plain_values(cell), **values}
    )
    return Plan(
        tuple(
            NodeSpec(node_type(name).package, node_type(name).executable, parameters, restart=True)
            for name, parameters in values.items()
        ),
        cell.namespace,
        run_dir,
        cell.run_for,
        {name: os.environ.get(name) or value for name, value in ENVIRONMENT.items()}
        | loopback_environment(os.environ),
        note=f'the run is in {run_dir}; arms join with ./cell act learner:=ADDRESS',
    )


def _learner(given: Arguments, run_dir: Path, shared: dict[str, Any]) -> Any:
    options: Any = node_type('learner').options
    names = {each.name for each in given.given if each.reaches('learner')}
    kept = options.kept_settings(run_dir, names)
    learner = given.node('learner', run_dir=str(run_dir), **shared, **kept)
    if learner.actors:
        raise CellError(
            'actors:= is for cells on this host; over the link, cells join by themselves'
        )
    learner.require_startable()
    run_id = learner.run_id or kept_run_id(run_dir)
    return replace(learner, start=learner.start_mode, run_id=run_id, linked=True)


def kept_run_id(run_dir: Path) -> str:
    """Return the run id in a run's directory, made at the first start; CellError if it is none."""
    path = run_dir / 'link' / 'run_id'
    if path.exists():
        found = read_bytes(path, 'the run id', 100).decode('ascii', 'replace').strip()
        check_run_id(found)
        if not found:
            raise CellError(f'{path} is empty; delete it, and the run gets another id')
        return found
    with writing(path):
        make_private(path.parent)
        replace_file(path, run_id := new_run_id())
    return run_id


def _shown() -> list[str]:
    found = list(CELL)
    for node in NODES:
        found += options_of(node_type(node).options)
    return found


def help_text() -> str:
    """Return the list of options that `--help` prints."""
    lines = ['options:']
    for name in CELL:
        lines += _lines(name, options_of(CellOptions)[name])
    for node in NODES:
        lines += ['', f'options of {node}:']
        for name, each in options_of(node_type(node).options).items():
            shown = name if each.verbs else f'{node}.{name}'
            lines += _lines(shown, each)
    return '\n'.join(lines)


def _lines(name: str, each: Any) -> list[str]:
    return [f'  {name}:={text_of(each.default)}', f'      {each.described()}']
