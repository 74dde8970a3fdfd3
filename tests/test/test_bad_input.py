"""Bad input to a verb is one sentence and an exit code, soon, and never a trace."""

import importlib
import time

import pytest

from hilserl_tests.bad_input import PATHS
from so101_node import verb

pytestmark = pytest.mark.slow  # 400 cases

WORDS = {
    'import': lambda path, d: [path, '--task', 'reach', '--out', str(d / 'out')],
    'import-policy': lambda path, d: [path, '--out', str(d / 'policy')],
    'label': lambda path, d: [path, 'success'],
    'report': lambda path, d: [path, '--runs-dir', str(d), '--out', str(d / 'page')],
    'checkpoints': lambda path, d: [path, '--runs-dir', str(d)],
    'calibrate': lambda path, d: ['leader', '--port', '/dev/nowhere', '--file', path, '--check'],
    'calibrate port': lambda path, d: ['leader', '--port', path, '--file', str(d / 'file')],
    'eval policy': lambda path, d: [f'policy:={path}', f'runs_dir:={d}', 'leader_port:='],
    'eval params': lambda path, d: [f'params_file:={path}', f'runs_dir:={d}'],
    'preflight params': lambda path, d: [f'params_file:={path}'],
    'report out': lambda path, d: ['x', '--runs-dir', path],
}


@pytest.fixture(scope='module', autouse=True)
def imported():
    """What the verbs import, so that its time is not counted."""
    for module in ('importing.importer', 'importing.policy_snapshot', 'report.page'):
        importlib.import_module(f'hilserl_learner.{module}')
    importlib.import_module('hilserl_actor.bringup.plan')


# a parameter file without a parameter
ACCEPTED = [('preflight params', path) for path in ('empty file', 'null')]


@pytest.mark.parametrize('path', PATHS)
@pytest.mark.parametrize('name', WORDS)
def test_bad_input_is_one_sentence(name, path, tmp_path, capsys, monkeypatch):
    if (name, path) in ACCEPTED:
        pytest.skip('a cell would start')
    (tmp_path / 'input').mkdir()
    (tmp_path / 'work').mkdir()
    monkeypatch.chdir(tmp_path / 'work')
    monkeypatch.setattr('hilserl_actor.bringup.supervisor.Supervisor', _NoCell)
    given = str(PATHS[path](tmp_path / 'input'))
    since = time.monotonic()
    try:
        code = verb.run([name.split()[0], *WORDS[name](given, tmp_path / 'work')])
    except SystemExit as error:
        code = error.code
    text = capsys.readouterr().err
    assert code in (1, 2), (code, text)
    assert text.count('\n') == 1 and 'Traceback' not in text, text
    assert len(text) < 1000 + 2 * len(given)
    assert time.monotonic() - since < 10.0
    assert not (tmp_path / 'work' / 'out').exists()


class _NoCell:
    """Instead of a supervisor: the input was accepted, and a cell would start now."""

    def __init__(self, *_):
        raise AssertionError('a cell was started')
