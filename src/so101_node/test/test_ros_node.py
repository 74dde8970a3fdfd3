"""Start and end of a node, as its launcher and its user see them."""

from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

TINY = [sys.executable, str(Path(__file__).with_name('tiny_node.py'))]

pytestmark = pytest.mark.usefixtures('domain')


def start(*parameters):
    arguments = [part for parameter in parameters for part in ('-p', parameter)]
    return subprocess.Popen(
        [*TINY, *(['--ros-args', *arguments] if arguments else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process, timeout=15):
    """Return exit code, output and the lines on stderr."""
    try:
        output, errors = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, output, errors.strip().splitlines()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signal_closes_once_and_exits_0(number):
    process = start('rate:=5')
    assert process.stdout.readline() == 'alive rate=5.0\n'  # the integer became 5.0
    process.send_signal(number)
    began = time.monotonic()
    assert ended(process) == (0, 'closed\n', [])
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    'parameter, sentence',
    [
        ('ratee:=5.0', 'colour, count, mishap, place, rate; did you mean rate?'),
        ('rate:=11.0', 'rate:=11.0 is out of range: 0.1 to 10 Hz'),
        ('rate:=fast', 'rate:=fast is not a number'),
        ('count:=6', 'count:=6 is out of range: 1 to 5'),
        ('count:=2.5', 'count:=2.5 is not a whole number'),
        ('colour:=green', 'colour:=green is not one of red, blue'),
        ('place:=[0.5]', 'has 1 numbers, not 2'),
        ('rate:=.nan', 'is not a finite number'),
        ('mishap:=init', 'the bench is on fire; put it out'),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_1(parameter, sentence):
    code, output, errors = ended(start(parameter))
    assert code == 1 and 'alive' not in output
    assert len(errors) == 1 and sentence in errors[0], errors


def test_fatal_closes_and_exits_1_with_its_sentence():
    code, output, errors = ended(start('mishap:=fatal'))
    assert code == 1 and output.endswith('closed\n')
    assert len(errors) == 1 and errors[0].endswith('the cable came off; plug it in')


@pytest.mark.parametrize('mishap', ['thread', 'callback'])
def test_a_bug_anywhere_ends_the_process_with_its_trace(mishap):
    code, output, errors = ended(start(f'mishap:={mishap}'))
    assert code == 1 and output.endswith('closed\n')
    assert 'ValueError: a bug' in errors and any('_fail' in line for line in errors)


def test_node_ends_when_its_launcher_is_killed():
    launcher = subprocess.Popen(
        [sys.executable, '-c', 'import subprocess, sys; subprocess.run(sys.argv[1:])', *TINY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout.readline().startswith('alive')
    launcher.kill()
    # The node has the other end of the pipe open: the output ends when the node ends.
    output, errors = launcher.communicate(timeout=15)
    assert output == 'closed\n' and 'the launcher is gone' in errors
