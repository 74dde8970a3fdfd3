"""The Containerfile fits this checkout: files, programs and commands. It builds no image."""

import json
import re
import subprocess

import pytest

from hilserl_tests.source_tree import source_root
from so101_node import verb

ROOT = source_root()


@pytest.fixture(scope='module')
def instructions():
    """(instruction, its text) of each line."""
    text = (ROOT / 'Containerfile').read_text(encoding='utf-8').replace('\\\n', ' ')
    lines = [line for line in text.splitlines() if line and not line.startswith('#')]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def of(instructions, kind):
    return [text for name, text in instructions if name == kind]


def copied(instructions):
    """What the image gets of this checkout."""
    return [word for text in of(instructions, 'COPY') for word in text.split()[1:-1]]


def test_only_named_parts_of_the_checkout_are_copied_and_no_key(instructions):
    found = copied(instructions)
    tracked = subprocess.run(
        ['git', 'ls-files', *found], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(found) <= {file.partition('/')[0] for file in tracked}
    ignored = (ROOT / '.containerignore').read_text(encoding='utf-8').split()
    assert ignored[0] == '*' and {f'!{name}' for name in found} < set(ignored)
    secrets = {'link-keys', 'keystore', 'calibration', 'runs', '.git', '.'}
    assert not secrets & {name.strip('/') for name in found}


def test_the_image_gets_what_the_setup_reads(instructions):
    script = (ROOT / 'cell').read_text(encoding='utf-8')
    read = set(re.findall(r'"?\$root"?/([a-z]+)', script)) - {'install'}
    read |= set(re.search(r'find (src[a-z ]*) colcon\.meta', script)[1].split())
    assert {'src', 'launch', 'tests', 'lock'} <= read <= set(copied(instructions))


def test_the_image_installs_the_programs_that_the_setup_asks_for(instructions):
    script = (ROOT / 'cell').read_text(encoding='utf-8')
    needed = {
        word
        for packages in re.findall(r'need "[^"]+" ([a-z0-9+ -]+)', script)
        for word in packages.split()
    }
    assert {'g++', 'python3-venv', 'libegl1'} <= needed
    installed = set(' '.join(of(instructions, 'RUN')).split())
    assert needed | {'openssl'} <= installed


def test_the_commands_of_the_images_exist(instructions, capsys):
    commands = [json.loads(text) for text in of(instructions, 'CMD')]
    assert [words[0] for words in commands] == ['act', 'learn']
    for words in commands:
        with pytest.raises(SystemExit) as ended:
            verb.run([*words, '--help'])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert all(word.partition(':=')[0] in shown for word in words[1:])


def test_the_entry_point_passes_its_words_on(instructions, tmp_path):
    (entry,) = of(instructions, 'ENTRYPOINT')
    program = tmp_path / 'cell'
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [*json.loads(entry), 'learn', 'run:=a b'],
        cwd=tmp_path,
        env={'PATH': '/usr/bin:/bin'},
        capture_output=True,
        text=True,
    )
    assert done.stdout == 'learn|run:=a b|' and done.returncode == 0
