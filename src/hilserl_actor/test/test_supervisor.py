"""The supervisor with real processes: when one ends, it stops the others in time."""

import signal
import sys
import time

import pytest

from hilserl_actor.bringup import restart_policy
from hilserl_actor.bringup import supervisor as supervise
from hilserl_actor.bringup.plan import NodeSpec, Plan

pytestmark = pytest.mark.slow

GOOD = 'import signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n'
SLEEP = GOOD + 'time.sleep(60)'
DEAF = 'import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)'


@pytest.fixture
def supervisor(monkeypatch, tmp_path):
    def make(scripts: dict, run_for=0.0, restart=()):
        monkeypatch.setattr(
            supervise,
            'command_line',
            lambda spec, _: [sys.executable, '-c', scripts[spec.executable]],
        )
        nodes = tuple(NodeSpec('test', name, restart=name in restart) for name in scripts)
        return supervise.Supervisor(Plan(nodes, '', tmp_path, run_for, {}))

    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
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
