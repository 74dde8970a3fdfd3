"""`./cell test` runs failed tests once more, and its last lines tell what it did."""

from argparse import Namespace
import os
import subprocess
import sys

import pytest

from hilserl_tests import outcomes
from hilserl_tests.retry import Retry
from hilserl_tests.verb import test as verb
from so101_node.errors import CellError

# Each build of the fixture appends a line; the first build is bad data, as on a busy computer.
MODULE = """
from pathlib import Path
import pytest

BUILDS = Path(__file__).with_name('builds')

@pytest.fixture(scope='module')
def data():
    with open(BUILDS, 'a') as file:
        file.write('built\\n')
    return len(BUILDS.read_text().splitlines())

@pytest.mark.graph
def test_late_once(data):
    assert data > 1

@pytest.mark.graph
def test_in_time():
    pass

@pytest.mark.timing
def test_always_late():
    assert False

def test_wrong():
    assert False

def test_wrong_once():
    once = BUILDS.with_name('once')
    first = not once.exists()
    once.touch()
    assert not first

@pytest.mark.skip(reason='needs a GPU')
def test_skipped():
    pass
"""


@pytest.fixture
def tree(tmp_path):
    """A tree with one test module; tree(*words) runs its tests and returns pytest's exit code."""
    (tmp_path / 'test_it.py').write_text(MODULE)
    (tmp_path / 'pytest.ini').write_text('[pytest]\nmarkers =\n  graph\n  timing\n')

    def run(attempt, *words):
        words = ['-m', 'pytest', '-q', '-p', outcomes.MODULE, '-p', 'no:cacheprovider', *words]
        environment = os.environ | {outcomes.FILE: str(tmp_path / attempt)}
        environment['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'  # they take seconds to import
        return subprocess.call([sys.executable, *words], cwd=tmp_path, env=environment)

    return run


@pytest.mark.slow
@pytest.mark.parametrize('workers', [(), ('-p', 'xdist', '-n', '2')])
def test_a_failed_test_runs_once_more_with_a_new_module_fixture(tree, tmp_path, workers):
    assert tree('first', *workers) == 1
    builds = len((tmp_path / 'builds').read_text().splitlines())
    retry = Retry(tmp_path / 'first', tmp_path / 'second')
    ran = []
    mended = retry.run(lambda tests: ran.extend(tests) or tree('second', *tests))
    assert len((tmp_path / 'builds').read_text().splitlines()) == builds + 1
    names = ('always_late', 'late_once', 'wrong', 'wrong_once')
    assert sorted(ran) == [f'test_it.py::test_{name}' for name in names]
    assert mended == 2
    skipped, *retried = retry.lines()
    assert skipped == '1 skipped: Skipped: needs a GPU'
    endings = {line.split()[1]: line.partition(', then ')[2] for line in retried}
    assert endings == {
        'test_it.py::test_late_once': 'passed',
        'test_it.py::test_always_late': 'failed again',
        'test_it.py::test_wrong': 'failed again',
        'test_it.py::test_wrong_once': 'passed: MEND IT, it is no test of timing',
    }


def test_a_second_try_that_crashes_mends_nothing(tree, tmp_path):
    assert tree('first') == 1
    retry = Retry(tmp_path / 'first', tmp_path / 'second')
    assert retry.run(lambda tests: -11) == 0
    assert all(line.endswith('failed again') for line in retry.lines() if 'retried' in line)


def test_failures_in_many_files_are_not_retried(tmp_path):
    with open(tmp_path / 'first', 'w') as file:
        for number in range(26):
            file.write(
                f'{{"test": "test_{number}.py::test_a", "outcome": "failed", "timed": true, '
                '"load": 1.0, "reason": ""}\n'
            )
    retry = Retry(tmp_path / 'first', tmp_path / 'second')
    assert retry.run(pytest.fail) == 0
    assert retry.lines() == ['not retried: 26 tests failed, in too many files']


def test_a_refused_package_leaves_the_results_of_a_running_test(tmp_path, monkeypatch):
    monkeypatch.setattr(verb, 'source_root', lambda: tmp_path)
    results = tmp_path / 'build' / 'test_results' / 'first.jsonl'
    results.parent.mkdir(parents=True)
    results.touch()
    with pytest.raises(CellError, match='no package nonsense'):
        verb.main(Namespace(what=['nonsense'], peers=False, with_peers=False, coverage=False))
    assert results.exists()


def test_files_with_slow_tests_run_first(tree, tmp_path, capfd):
    (tmp_path / 'pytest.ini').write_text('[pytest]\nmarkers =\n  graph\n  timing\n  slow\n')
    (tmp_path / 'test_long.py').write_text(
        'import pytest\n\ndef test_short(): pass\n\n@pytest.mark.slow\ndef test_long(): pass\n'
    )
    tree('first', '--collect-only')
    names = [line for line in capfd.readouterr().out.splitlines() if '::' in line]
    assert names[:2] == ['test_long.py::test_short', 'test_long.py::test_long']
    assert names[2].startswith('test_it.py::') and len(names) == 8
