"""The documentation has the figures that were measured and the messages of the code."""

import ast
from pathlib import Path
import re
import subprocess
import sys

import pytest

from hilserl_tests import screen_picture
from hilserl_tests.cheap_commands import cheap, run_cheap, words_of
from hilserl_tests.document_commands import (
    CELL_COMMANDS,
    RUN_BY,
    THIS,
    Line,
    cell_texts,
    fault,
    lines,
    reason,
    session,
    verb_of,
)
from so101_node import verb

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / 'bench' / 'results.py'


@pytest.mark.slow
def test_the_tables_are_those_of_the_data():
    done = subprocess.run([sys.executable, RESULTS, '--check'], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def templates(path):
    """Each string of a source file, with {} where a value is put in."""
    text = path.read_text(encoding='utf-8')
    if path.suffix != '.py':
        return [text]
    tree = ast.parse(text)
    joined = [
        ''.join(part.value if isinstance(part, ast.Constant) else '{}' for part in node.values)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
    ]
    plain = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    return joined + [value for value in plain if isinstance(value, str)]


def quoted_messages():
    """The messages in the first column of docs/troubleshooting.md."""
    for line in (ROOT / 'docs' / 'troubleshooting.md').read_text(encoding='utf-8').splitlines():
        first = re.match(r'\| (.*?) \|', line)
        yield from re.findall(r'`([^`]+)`', first[1]) if first else ()


@pytest.mark.slow
def test_each_message_quoted_in_troubleshooting_exists_in_the_code():
    files = [ROOT / 'cell', *(ROOT / 'src').glob('*/*/**/*.py')]
    sources = {file: '\n'.join(templates(file)) for file in files}
    messages = list(quoted_messages())
    assert len(messages) > 10
    missing = []
    for message in messages:
        # a value is written as a number, as ... or as a word in capitals
        parts = re.split(r'\.\.\.|\b\d+\b|\b[A-Z]+\b(?=[ ;:]|$)', message)
        parts = [part.strip(' :/=') for part in parts]
        fixed = [part for part in parts if len(part) > 2 or part == message]
        if not any(fixed and all(part in text for part in fixed) for text in sources.values()):
            missing.append((message, fixed))
    assert not missing, missing


def test_each_test_named_in_safety_exists():
    sources = {}
    for file in (*ROOT.glob('src/*/test/test_*.py'), *(ROOT / 'tests' / 'test').glob('test_*.py')):
        sources[file.name] = sources.get(file.name, '') + file.read_text(encoding='utf-8')
    page = (ROOT / 'docs' / 'safety.md').read_text(encoding='utf-8')
    named = re.findall(r'`(test_\w+\.py)::(test_\w+)`', page)
    assert len(named) > 10
    missing = [
        f'{file}::{name}' for file, name in named if f'def {name}(' not in sources.get(file, '')
    ]
    assert not missing


def cell_lines():
    return [line for line in lines(ROOT) if line.text.startswith('./cell')]


@pytest.mark.slow
def test_each_cell_command_in_the_documents_has_arguments_that_exist():
    found = cell_lines()
    assert len(found) > 100
    assert not [(line, fault(line)) for line in found if fault(line)]


@pytest.mark.parametrize(
    'text, words',
    [
        ('./cell wacth lift', 'no verb wacth'),
        ('./cell train run_fro:=60', 'run_fro'),
        ('./cell eval run_for:=sixty', 'sixty'),
        ('./cell watch', ''),
        ('./cell report lift --fast', 'does not take'),
        ('./cell record learner:=false', 'learner'),
        ('./cell label BAG won', 'does not take'),
    ],
)
def test_a_wrong_command_in_a_document_is_found(text, words):
    assert words in fault(Line('page', text))


def test_each_other_command_in_the_documents_has_a_reason_why_no_test_runs_it():
    others = [line for line in lines(ROOT) if not line.text.startswith('./cell')]
    assert len(others) > 10
    assert not [line for line in others if not reason(line)]


@pytest.mark.slow
def test_a_test_or_a_script_runs_each_verb_that_the_documents_name():
    named = {verb_of(line) for line in cell_lines()} - {''}
    assert {'train', 'watch', 'find'} <= named <= set(RUN_BY)
    assert {text.split()[1] for text in session(ROOT)} >= {
        name for name, file in RUN_BY.items() if file == THIS
    }
    for name, file in RUN_BY.items():
        text = (ROOT / file).read_text(encoding='utf-8')
        assert re.search(rf"""['" ]{name.removeprefix('import-')}['" \n]""", text), (name, file)


def test_the_cheap_lines_of_the_documents_are_found_and_get_the_names_of_the_small_run(tmp_path):
    found = cheap(cell_texts(ROOT))
    for line in (
        'task show',
        'report lift',
        'checkpoints lift',
        'watch lift worst',
        'train --help',
    ):
        assert line in found
    assert {f'{name} --help' for name in verb.verbs()} <= set(found)
    assert not [
        line for line in found if line.split()[0] in CELL_COMMANDS and '--help' not in line
    ]
    assert found.index('task new my_task') < found.index('task check my_task.yaml')
    bag = tmp_path / 'demos' / 'bags' / 'b1'
    bag.mkdir(parents=True)
    assert words_of('label BAG success|failure', tmp_path) == ['label', str(bag), 'success']
    assert words_of('watch first worst', tmp_path) == ['watch', 'lift', 'worst']
    assert words_of('watch demos last', tmp_path) == ['watch', 'demos', 'last']
    assert words_of('watch lift 12 13', tmp_path) == ['watch', 'lift', '1', '2']


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1800)  # forty commands; on a busy computer ten minutes
def test_the_cheap_lines_of_the_documents_end_with_0_on_a_small_run(tmp_path):
    told = run_cheap(cell_texts(ROOT), tmp_path)
    assert len(told) > 30
    assert not [line for line in told if not line.startswith('0 ')], told


def test_the_script_runs_the_commands_of_the_readme_and_the_tutorial():
    found = session(ROOT)
    assert [text.split()[1] for text in found if 'run:=first' in text] == ['train', 'eval']
    assert './cell watch first worst' in found and './cell report lift' in found
    assert not [text for text in found if 'sim:=false' in text]


def test_the_picture_of_the_screen_is_what_the_screen_shows_now():
    shown = (ROOT / screen_picture.PICTURE).read_text(encoding='utf-8')
    assert shown == screen_picture.picture(screen_picture.read(ROOT)), (
        'run python -m hilserl_tests.screen_picture --write'
    )
