"""Start and end of a node, as its launcher and its user see them."""

import os
from pathlib import Path
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from so101_node.errors import REFUSED

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
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


@pytest.mark.parametrize('number', ENDING)
def test_signal_closes_once_and_exits_0(number):
    process = start('rate:=5')
    assert process.stdout.readline() == 'alive rate=5.0\n'  # the integer became 5.0
    process.send_signal(number)
    began = time.monotonic()
    assert ended(process) == (0, 'closed\n', [])
    assert time.monotonic() - began < 3


def test_a_node_runs_where_rclpy_has_no_events_executor_as_in_jazzy():
    code = (
        "import sys; sys.modules['rclpy.experimental.events_executor'] = None; "
        f"sys.argv = ['tiny']; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
        'from so101_node import ros_node; from tiny_node import Tiny; '
        "assert ros_node.Executor.__name__ == 'SingleThreadedExecutor'; ros_node.run(Tiny)"
    )
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'alive rate=1.0\n'
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=15)[0] == 'closed\n'
    assert process.returncode == 0


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
        ('use_sim_time:=true', 'use_sim_time:=true cannot be used: servos and cameras keep'),
        ('mishap:=init', 'the bench is on fire; put it out'),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_3(parameter, sentence):
    code, output, errors = ended(start(parameter))
    assert code == REFUSED == 3 and 'alive' not in output
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


@pytest.mark.parametrize('mishap', ['slow', 'swallowed'])
@pytest.mark.parametrize('number', ENDING)
def test_a_signal_ends_a_constructor_without_a_trace(number, mishap):
    process = start(f'mishap:={mishap}')
    assert process.stdout.readline() == 'constructing\n'
    process.send_signal(number)
    assert ended(process) == (0, '', [])


@pytest.mark.parametrize('number', [signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU])
def test_a_terminal_cannot_stop_a_node(number):
    process = start()
    process.stdout.readline()
    process.send_signal(number)
    time.sleep(0.3)
    assert Path(f'/proc/{process.pid}/stat').read_text().rpartition(')')[2].split()[0] != 'T'
    # of a process group without a shell, the kernel drops these signals anyway
    status = Path(f'/proc/{process.pid}/status').read_text()
    ignored = int(status.partition('SigIgn:')[2].split()[0], 16)
    assert ignored & 1 << (number - 1)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0


def on_terminal(tmp_path, *parameters):
    """Start the node on a terminal; return process, the terminal's end and a mark of close()."""
    outer, inner = pty.openpty()
    closed = tmp_path / 'closed'
    process = subprocess.Popen(
        [*TINY, '--ros-args', *(part for p in parameters for part in ('-p', p))],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
        env={**os.environ, 'TINY_CLOSED': str(closed)},
    )
    os.close(inner)
    return process, outer, closed


def read_until(outer, text, timeout=15.0):
    """Read from a terminal until `text` has come."""
    heard, end = b'', time.monotonic() + timeout
    while text not in heard:
        assert time.monotonic() < end, heard
        if select.select([outer], [], [], 0.1)[0]:
            heard += os.read(outer, 4096)


def test_a_node_that_prints_goes_on_without_its_terminal_and_closes_cleanly(tmp_path):
    process, outer, closed = on_terminal(tmp_path, 'mishap:=talk')
    read_until(outer, b'a line of the node')
    read_until(outer, b'a line of the logger')
    os.close(outer)  # it is no controlling terminal here: no signal comes
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    assert process.wait(15) == 0
    assert closed.exists()


def test_a_node_whose_reader_is_gone_goes_on_and_closes_cleanly():
    process = start('mishap:=talk')
    process.stdout.readline()
    process.stdout.close()
    process.stderr.close()
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
