"""The supervisor with real processes: when one ends, it stops the others in time."""

import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from hilserl_actor.bringup import restart_policy, start_progress, startup_watch
from hilserl_actor.bringup import supervisor as supervise
from hilserl_actor.bringup.log_files import STARTS, earlier, open_log
from hilserl_actor.bringup.plan import NodeSpec, Plan
from so101_node.errors import REFUSED
from so101_node.signals import ENDING, STOPPING

pytestmark = [pytest.mark.slow, pytest.mark.timing]

GOOD = 'import signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n'
SLEEP = GOOD + 'time.sleep(60)'
DEAF = 'import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)'

SIGN = 'import os; os.write(int(os.environ["SO101_SIGN_OF_LIFE"]), b"!")\n'


@pytest.fixture
def supervisor(monkeypatch, tmp_path):
    def make(scripts: dict, run_for=0.0, restart=(), **plan):
        monkeypatch.setattr(
            supervise,
            'command_line',
            lambda spec, _: [sys.executable, '-c', scripts[spec.executable]],
        )
        nodes = tuple(NodeSpec('test', name, restart=name in restart) for name in scripts)
        return supervise.Supervisor(Plan(nodes, '', tmp_path, run_for, {}, **plan))

    handlers = {n: signal.getsignal(n) for n in (*ENDING, *STOPPING)}
    yield make
    for number, handler in handlers.items():
        signal.signal(number, handler)


def all_gone(supervisor):
    return all(c.poll() is not None for c in supervisor.children.values())


def test_run_for_ends_everything_with_0(supervisor):
    cell = supervisor({'a': SLEEP, 'b': SLEEP}, run_for=1.0)
    assert cell.run() == 0
    assert all_gone(cell)


def test_a_node_that_is_done_ends_the_cell_with_0(supervisor, capsys):
    cell = supervisor({'a': SLEEP, 'b': GOOD + 'time.sleep(0.5)'})
    assert cell.run() == 0
    assert 'b ended; stopping the others' in capsys.readouterr().out
    assert all_gone(cell)


def test_a_node_that_fails_ends_the_cell_with_1_and_is_named(supervisor, capsys):
    cell = supervisor({'a': SLEEP, 'b': GOOD + 'time.sleep(0.5); sys.exit(3)'})
    assert cell.run() == 1
    assert 'b failed (exit code 3)' in capsys.readouterr().err


def test_a_node_that_does_not_stop_is_killed_in_time_and_named(supervisor, capsys, monkeypatch):
    monkeypatch.setattr(supervise, 'GRACE', 1.0)
    cell = supervisor({'a': SLEEP, 'deaf': DEAF}, run_for=1.0)
    since = time.monotonic()
    assert cell.run() == 1
    assert time.monotonic() - since < 4.0
    assert 'deaf did not end within 1.0 s and was killed' in capsys.readouterr().err
    assert all_gone(cell)


def test_a_killed_node_is_started_again_while_the_others_go_on(supervisor, capsys, tmp_path):
    suicide = (
        GOOD + f'open({str(tmp_path / "starts")!r}, "a").write("x")\n'
        f'if open({str(tmp_path / "starts")!r}).read() == "x":\n'
        '    import os; os.kill(os.getpid(), signal.SIGKILL)\n'
        'time.sleep(60)'
    )
    cell = supervisor({'a': SLEEP, 'b': suicide}, run_for=2.5, restart=('b',))
    assert cell.run() == 0
    output = capsys.readouterr().out
    assert 'b died (SIGKILL); starting it again in 0.5 s' in output
    assert 'stopping the others' not in output
    assert (tmp_path / 'starts').read_text() == 'xx'
    assert all_gone(cell)


def test_a_node_that_fails_at_its_start_is_not_started_again(supervisor, capsys):
    cell = supervisor({'a': SLEEP, 'b': GOOD + 'sys.exit(1)'}, restart=('b',))
    assert cell.run() == 1
    captured = capsys.readouterr()
    assert 'starting it again' not in captured.out
    assert 'b failed (exit code 1)' in captured.err


def test_a_node_that_refuses_is_not_started_again_however_long_it_took(
    supervisor, capsys, monkeypatch
):
    monkeypatch.setattr(restart_policy, 'STARTUP_TIME', 0.1)
    refuses = SIGN + GOOD + f'time.sleep(0.5); sys.exit({REFUSED})'
    cell = supervisor({'a': SLEEP, 'b': refuses}, restart='b')
    assert cell.run() == 1
    captured = capsys.readouterr()
    assert 'starting it again' not in captured.out and 'b failed (exit code 3)' in captured.err


@pytest.mark.parametrize('sign, again', [('', 0), (SIGN, 1)], ids=['starting', 'started'])
def test_a_node_that_fails_slowly_at_its_start_is_not_started_again(
    supervisor, capsys, monkeypatch, sign, again
):
    monkeypatch.setattr(restart_policy, 'STARTUP_TIME', 0.1)
    cell = supervisor(
        {'a': SLEEP, 'b': sign + GOOD + 'time.sleep(0.5); sys.exit(1)'}, run_for=1.5, restart='b'
    )
    cell.run()
    assert capsys.readouterr().out.count('starting it again') == again


def test_a_node_that_keeps_dying_ends_the_cell(supervisor, capsys, monkeypatch):
    monkeypatch.setattr(restart_policy, 'DELAYS', (0.0, 0.1))
    suicide = 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'
    cell = supervisor({'a': SLEEP, 'b': suicide}, restart=('b',))
    assert cell.run() == 1
    captured = capsys.readouterr()
    assert captured.out.count('starting it again') == 2
    assert 'b failed (SIGKILL)' in captured.err


def test_a_package_that_is_not_built_is_named_with_the_remedy():
    with pytest.raises(supervise.CellError, match='package nonsense is not built; run ./cell'):
        supervise.command_line(NodeSpec('nonsense', 'x'), '')


def test_a_node_with_another_name_than_its_executable_is_started_with_it():
    spec = NodeSpec('hilserl_actor', 'actor', name='second')
    assert supervise.command_line(spec, '')[1:] == ['--ros-args', '-r', '__node:=second']


def test_parameters_of_any_text_reach_the_command_line_as_yaml():
    spec = NodeSpec('hilserl_actor', 'actor', {'a': 'x: [y', 'b': True, 'c': 1.0})
    words = supervise.command_line(spec, 'cell2')
    assert words[1:] == [
        '--ros-args',
        '-r',
        '__ns:=/cell2',
        '-p',
        'a:="x: [y"',
        '-p',
        'b:=true',
        '-p',
        'c:=1.0',
    ]


# --- signals and terminals -------------------------------------------------------------------
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_each_ending_signal_stops_the_cell_with_0(supervisor, capsys, number):
    cell = supervisor({'a': SLEEP, 'b': SLEEP})
    threading.Timer(1.0, os.kill, [os.getpid(), number]).start()
    assert cell.run() == 0
    assert f'{number.name}; stopping' in capsys.readouterr().out
    assert all_gone(cell)


def test_ctrl_z_is_ignored_and_told_once(supervisor, capsys):
    cell = supervisor({'a': SLEEP}, run_for=1.5)
    for delay in (0.5, 0.7):
        threading.Timer(delay, os.kill, [os.getpid(), signal.SIGTSTP]).start()
    assert cell.run() == 0
    assert capsys.readouterr().out.count('Ctrl-Z is ignored') == 1


def test_a_node_ignores_the_terminal_until_it_has_its_handlers(supervisor, capsys):
    """Python prints a stack trace for a SIGINT that comes while it starts."""
    late = (
        'import os, signal\n'
        'for n in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):\n'
        '    os.kill(os.getpid(), n)\n' + SLEEP
    )
    assert supervisor({'a': late}, run_for=1.0).run() == 0


def test_a_signal_that_came_too_early_for_a_node_is_repeated(supervisor):
    late = 'import time\ntime.sleep(1.5)\n' + SLEEP
    cell = supervisor({'a': late}, run_for=0.5)
    assert cell.run() == 0


def test_a_stopped_node_is_continued_so_that_it_can_end(supervisor):
    cell = supervisor({'a': GOOD + 'import os; os.kill(os.getpid(), signal.SIGSTOP)'}, run_for=1.0)
    assert cell.run() == 0


def test_nodes_that_take_long_to_end_are_named(supervisor, capsys, monkeypatch):
    monkeypatch.setattr(supervise, 'PATIENCE', 0.3)
    slow = SIGN + GOOD.replace('sys.exit(0)', '(time.sleep(1.0), sys.exit(0))')
    assert supervisor({'a': SLEEP, 'slow': slow + 'time.sleep(60)'}, run_for=1.0).run() == 0
    assert 'cell: waiting for slow to end' in capsys.readouterr().out


# --- the start of a simulated cell -----------------------------------------------------------


def test_run_for_of_a_simulated_cell_counts_from_the_moment_when_it_has_passed_its_checks(
    supervisor, capsys, monkeypatch
):
    monkeypatch.setattr(start_progress, 'FIRST_LINE', 0.5)
    monkeypatch.setattr(start_progress, 'PERIOD', 0.5)
    passes = GOOD + 'time.sleep(2.0)\n' + SIGN + SIGN.replace('!', '*') + 'time.sleep(60)'
    cell = supervisor({'a': SIGN + SLEEP, 'slow': passes}, run_for=0.5, simulated=True)
    since = time.monotonic()
    assert cell.run() == 0
    assert time.monotonic() - since > 2.5
    output = capsys.readouterr().out
    assert re.search(r'cell: waiting for (a, )?slow: \d+ s, load \d', output)
    assert 'run_for:=0.5 is over' in output


def test_a_simulated_cell_that_does_not_come_up_in_time_is_refused_in_one_sentence(
    supervisor, capsys, monkeypatch
):
    monkeypatch.setattr(start_progress, 'LIMIT', 1.0)
    cell = supervisor({'a': SIGN + SLEEP, 'late': SLEEP}, run_for=0.5, simulated=True)
    assert cell.run() == 1
    assert 'the start failed: after 1 s late not up, load ' in capsys.readouterr().err
    assert all_gone(cell)


# --- nodes that hang in their start ----------------------------------------------------------


@pytest.fixture
def short_limit(monkeypatch):
    monkeypatch.setattr(startup_watch, 'LIMIT', 1.0)
    monkeypatch.setattr(supervise, 'LIMIT', 1.0)


def test_a_node_that_hangs_in_its_start_is_started_again_once(
    supervisor, capsys, tmp_path, short_limit
):
    mark = tmp_path / 'mark'
    once = (
        f'import os, pathlib, time\nmark = pathlib.Path({str(mark)!r})\n'
        'if not mark.exists():\n    mark.touch(); time.sleep(60)\n' + SIGN + SLEEP
    )
    cell = supervisor({'a': SIGN + SLEEP, 'b': once}, run_for=4.0)
    assert cell.run() == 0
    output = capsys.readouterr().out
    assert output.count('b gave no sign of life for 1 s while it started') == 1
    assert 'cell: a ' not in output


def test_a_node_that_hangs_twice_ends_the_cell_with_one_sentence(supervisor, capsys, short_limit):
    cell = supervisor({'a': SIGN + SLEEP, 'b': DEAF})
    assert cell.run() == 1
    assert 'b failed: it gave no sign of life for 1 s while it started, twice' in (
        capsys.readouterr().err
    )
    assert all_gone(cell)


def test_a_node_that_is_stopped_in_its_start_counts_as_hung(supervisor, capsys, short_limit):
    stopped = 'import os, signal; os.kill(os.getpid(), signal.SIGSTOP)'
    assert supervisor({'b': stopped}).run() == 1
    assert 'b gave no sign of life' in capsys.readouterr().out


def test_the_wait_for_a_busy_processor_is_a_sign_and_the_wait_for_a_lock_is_none():
    """Two processes on one processor: one that starts slowly gets 1 % of it."""
    pin = f'import os; os.sched_setaffinity(0, [{min(os.sched_getaffinity(0))}])\n'
    loop = pin + 'os.nice({nice})\nwhile True: pass'
    hung = pin + 'import threading; threading.Lock().acquire() and threading.Event().wait()'
    scripts = [loop.format(nice=0), loop.format(nice=19), hung]
    processes = [subprocess.Popen([sys.executable, '-c', script]) for script in scripts]
    try:
        time.sleep(1.0)
        before = [startup_watch._queue_time(process.pid) for process in processes]
        time.sleep(2.0)
        after = [startup_watch._queue_time(process.pid) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert after[1] - before[1] > 1.0
    assert after[2] == before[2]


def test_a_node_that_works_or_gives_signs_does_not_hang(supervisor, capsys, short_limit):
    busy = GOOD + 'while True: sum(range(10000))'
    slow = GOOD + 'while True:\n    time.sleep(0.3)\n    ' + SIGN.replace('!', '.')
    assert supervisor({'busy': busy, 'slow': slow}, run_for=4.0).run() == 0
    assert 'sign of life' not in capsys.readouterr().out


# --- log files -------------------------------------------------------------------------------
def test_the_logs_of_the_last_starts_are_kept(tmp_path):
    path = tmp_path / 'log' / 'actor.txt'
    for start in range(8):
        with open_log(path, append=False) as log:
            log.write(f'start {start}\n')
    with open_log(path, append=True) as log:
        log.write('again\n')
    assert path.read_text() == 'start 7\nagain\n'
    assert [earlier(path, n).read_text() for n in range(1, STARTS)] == [
        f'start {7 - n}\n' for n in range(1, STARTS)
    ]
    assert sorted(Path(tmp_path, 'log').iterdir()) == sorted(
        earlier(path, n) for n in range(STARTS)
    )
