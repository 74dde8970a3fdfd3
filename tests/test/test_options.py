"""Tries each option that documents and messages name."""

import ast
from pathlib import Path
import re

import pytest

from hilserl_actor.bringup.arguments import COMMANDS, parse
from hilserl_actor.bringup.node_table import node_types
from hilserl_actor.bringup.options import CellOptions
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_learner.agent.config import AgentConfig
from hilserl_tests import options_page, tasks_page
from so101_node.errors import CellError
from so101_node.options import options_of

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md')])
SOURCES = sorted(p for p in ROOT.glob('src/*/*/**/*.py') if p.parent.name != 'test')
NAMED = re.compile(r'(?<![\w./-])((?:[a-z][a-z0-9_]*\.)?[a-z][a-z0-9_]*):=("[^"]*"|[^\s`;)|]*)')
OF_OTHER_NODES = re.compile(r"-[pr] '?[^\s:]+:=\S+")  # parameters and remappings of ros2 run
DESCRIPTION = ROOT / 'src' / 'so101_description'
VIEW = DESCRIPTION / 'launch' / 'view.launch.py'
XACRO = DESCRIPTION / 'so101_description' / 'urdf' / 'so101.urdf.xacro'
OF_DESCRIPTION = re.findall(r"DeclareLaunchArgument\(\s*'(\w+)'", VIEW.read_text(encoding='utf-8'))
OF_DESCRIPTION += re.findall(r'xacro:arg name="(\w+)"', XACRO.read_text(encoding='utf-8'))
# placeholders, rcl's own, and those of view.launch.py and so101.urdf.xacro
NOT_OURS = {'name', 'node.name', '__ns', 'use_sim_time', *OF_DESCRIPTION}
PLACEHOLDER = re.compile(r'[A-Z]{3,}|\.\.\.|[{}<>]|^$|^/|~')


def words_of(path):
    """Return each `name:=value` in a document or in the texts of a source file."""
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.py':
        tree = ast.parse(text)
        text = '\n'.join(
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
    for name, value in NAMED.findall(OF_OTHER_NODES.sub('', text)):
        yield name, value.strip('"').rstrip('.,')


def known_words():
    return [
        (path.relative_to(ROOT), name, value)
        for path in [*DOCUMENTS, *SOURCES]
        for name, value in words_of(path)
        if name not in NOT_OURS
    ]


def taken_by_some_command(word):
    said = []
    for command in COMMANDS:
        try:
            parse(command, [word])
            return []
        except CellError as error:
            said.append(str(error))
    return said


@pytest.mark.slow
def test_each_option_that_a_document_or_message_names_can_be_given():
    words = known_words()
    assert len(words) > 100
    wrong = []
    for path, name, value in words:
        last = name.rpartition('.')[2]
        owners = [kind.options for kind in node_types().values()] + [CellOptions]
        if not any(last in options_of(owner) for owner in owners):
            wrong.append(f'{path}: {name}:= is no option')
        elif PLACEHOLDER.search(value):
            continue
        elif said := taken_by_some_command(f'{name}:={value}'):
            wrong.append(f'{path}: {name}:={value}: {said[0]}')
    assert not wrong, '\n'.join(sorted(set(wrong)))


@pytest.mark.parametrize(
    'name',
    [
        'memory_gb',
        'batch_size',
        'threads',
        'answer_timeout',
        'max_speed',
        'align_speed',
        'rest_after',
        'locked_joints',
        'max_image_age',
    ],
)
def test_an_option_that_messages_name_can_be_given_by_its_name_alone(name):
    (node,) = [n for n, kind in node_types().items() if name in options_of(kind.options)]
    text = {'locked_joints': 'wrist_roll'}.get(name) or options_page.text_of(
        options_of(node_types()[node].options)[name].default
    )
    assert taken_by_some_command(f'{name}:={text}') == []
    assert taken_by_some_command(f'{node}.{name}:={text}') == []


def test_each_agent_option_that_is_named_exists():
    """`agent_options:="discount=0.99"`, wherever it is written."""
    known = {*options_of(AgentConfig), *options_of(NetworkConfig)}
    found = []
    for path in [*DOCUMENTS, *SOURCES]:
        for changes in re.findall(r'agent_options:=\\?"([^"\\]*)', path.read_text('utf-8')):
            found += [
                (path.name, word.partition('=')[0])
                for word in changes.split()
                if not PLACEHOLDER.search(word)
            ]
    assert found
    assert [each for each in found if each[1] not in known] == []


def test_the_page_of_options_is_up_to_date():
    assert options_page.PAGE.read_text('utf-8') == options_page.page(), (
        'docs/options.md is old; python -m hilserl_tests.options_page --write writes it again'
    )


def test_the_page_of_tasks_is_up_to_date():
    assert tasks_page.PAGE.read_text('utf-8') == tasks_page.page(), (
        'docs/tasks.md is old; python -m hilserl_tests.tasks_page --write writes it again'
    )
