"""The documentation has the figures that were measured and the messages of the code."""

import ast
from pathlib import Path
import re
import subprocess
import sys

import pytest

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
