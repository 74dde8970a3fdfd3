"""docs/first-day.md: its commands are accepted, and its session is what they show."""

import importlib.util
import os
from pathlib import Path
import re

import pytest

from hilserl_actor.bringup import arguments
from so101_node import verb

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'first-day.md').read_text(encoding='utf-8')
CELL = ('train', 'record', 'eval', 'preflight')


def commands():
    """The command lines of the page, each once: those in blocks, and those in the checklist."""
    lines = re.findall(r'^(?:\$ )?\./cell (.+)$', PAGE, re.MULTILINE)
    return sorted({*lines, *re.findall(r'`\./cell ([^`]+)`', PAGE)})


@pytest.mark.parametrize('line', commands())
def test_each_command_of_the_first_day_is_accepted(line):
    name, *words = line.split()
    if name in CELL:
        arguments.parse(name, words)
    elif name != 'bench':
        verb.parser_of(name).parse_args(words)
    else:
        assert (ROOT / 'bench' / f'{words[0]}.py').exists()


def test_the_page_has_every_step_of_a_first_day():
    named = {line.split()[0] for line in commands()}
    assert named >= {'find', 'motors', 'calibrate', 'preflight', 'record', 'train'}


def quoted(line):
    """The lines that the page shows after a command, without those that are shortened."""
    block = PAGE.split(f'$ ./cell {line}\n')[1].split('```')[0]
    return [each for each in block.splitlines() if each.strip() and '...' not in each]


@pytest.mark.slow
@pytest.mark.timing
def test_the_session_shows_what_the_page_quotes(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location('first_day', ROOT / 'bench' / 'first_day.py')
    first_day = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(first_day)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'cell').symlink_to(ROOT / 'cell')
    shown = []
    environment = os.environ | {'HF_LEROBOT_CALIBRATION': str(tmp_path / 'none')}
    session = first_day.FirstDay(environment, shown.append)
    for arm in session.arms.values():
        arm.connect_usb()
    try:
        session.find()
        session.motors(session.arms['follower'])
    finally:
        for arm in session.arms.values():
            arm.connect_usb(False)
    for text in shown:
        text = text.replace(str(tmp_path), '~/so101')
        command, *lines = text.splitlines()
        wanted = quoted(command.removeprefix('$ ./cell '))
        assert len(wanted) > 5
        assert [line for line in wanted if line not in lines] == []
