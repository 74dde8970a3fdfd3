"""Run the tests: all, the fast ones, one package, one file or one test.

./cell test                          every test of every package: those without a ROS graph two at
                                     a time, then two files of the others at a time (colcon)
./cell test PACKAGE ...              every test of these packages
./cell test PATH[::NAME] ...         these files or tests, with pytest alone
./cell test --fast                   what needs no ROS graph and does not last seconds
./cell test --peers                  the emulated servos, with LeRobot's bus class and rustypot
./cell test --with-peers             every test, also those; if their packages cannot be had, the
                                     last line says so

A busy computer can fail tests of timing (marks graph, timing). They run once more, in a new
process; the last lines name them and the load. A file or a test that you name is not run again.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
import os
from pathlib import Path
import shutil
import subprocess
import sys
import venv
import xml.etree.ElementTree as ElementTree

from so101_node.errors import CellError

from .. import outcomes
from ..retry import Retry
from ..source_tree import source_root

FAST = 'not graph and not slow'
TWO_AT_A_TIME = ('-n', '2', '--dist', 'worksteal')
TWO_FILES_AT_A_TIME = ('-n', '2', '--dist', 'loadfile')
TESTS_FAILED, NO_TESTS = 1, 5  # pytest's exit codes


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('what', nargs='*', help='packages, or PATH[::NAME]')
    parser.add_argument(
        '--fast', action='store_true', help='no graph, nothing slow; two at a time'
    )
    parser.add_argument(
        '--peers',
        action='store_true',
        help='only the tests with clients of others, from PyPI into build/peers',
    )
    parser.add_argument(
        '--with-peers',
        action='store_true',
        help='also the tests with clients of others, if PyPI can be reached',
    )
    parser.add_argument(
        '--coverage', action='store_true', help='print which lines ran, those of the nodes too'
    )


def main(options: Namespace) -> int:
    """Run the tests; the last line says how many passed, failed and were skipped."""
    root = source_root()
    if options.peers:
        _make_peers(root)
        options.what = [str(root / 'tests' / 'test' / 'test_peers.py')]
    missing = peers_missing(root) if options.with_peers else ''
    paths = [word for word in options.what if _is_path(word)]
    packages = [word for word in options.what if word not in paths]
    if paths and packages:
        raise CellError(f'{packages[0]} is neither a file nor a package beside {paths[0]}')
    directories = _test_directories(root, packages)  # an unknown package ends here
    results = root / 'build' / 'test_results'
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    coverage = _Coverage(root) if options.coverage else None
    os.environ[outcomes.FILE] = str(results / 'first.jsonl')
    if paths:
        code = _pytest(paths, coverage, results / 'without_colcon.xml')
    else:
        words = [*TWO_AT_A_TIME, '-m', FAST if options.fast else 'not graph', *directories]
        # Each worker has a core: numerical libraries that start threads would take the other's.
        code = _pytest(words, coverage, results / 'without_colcon.xml', threads='1')
    if code == TESTS_FAILED:  # the result files say which
        code = 0
    if not (paths or options.fast):
        code = _colcon(root, packages, coverage) or code
        for file in root.glob('build/*/pytest.xml'):
            shutil.copy(file, results / f'{file.parent.name}.xml')
        for file in root.glob('build/*/test_results/**/*.xml'):
            shutil.copy(file, results / f'{file.parent.name}-{file.name}')
    passed, failed, skipped = _count(results)
    retry = Retry(results / 'first.jsonl', results / 'second.jsonl')
    if not paths:
        os.environ[outcomes.FILE] = str(results / 'second.jsonl')
        words = ['--timeout=300']  # as in colcon.meta
        mended = retry.run(
            lambda tests: _pytest([*words, *tests], coverage, results / 'second.xml', root=root)
        )
        passed, failed = passed + mended, failed - mended
    if coverage:
        coverage.report()
    print(*retry.lines(), sep='\n')
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    if missing:
        print(missing)
    return 1 if code not in (0, NO_TESTS) or failed or not passed else 0


def peers_python(root: Path | None = None) -> Path:
    """Return the interpreter of the clients of others; it may not exist."""
    return (root or source_root()) / 'build' / 'peers' / 'bin' / 'python'


def peers_missing(root: Path) -> str:
    """Make the environment of the clients of others; return a line if that fails, else ''."""
    try:
        _make_peers(root)
    except CellError as error:
        return f"NOT TESTED with LeRobot's bus class and rustypot: {error}"
    return ''


def _make_peers(root: Path) -> None:
    """Make the environment of requirements-peers.txt; CellError if packages are not at hand."""
    wanted, directory = root / 'requirements-peers.txt', root / 'build' / 'peers'
    made_from = directory / wanted.name
    if made_from.exists() and made_from.read_bytes() == wanted.read_bytes():
        return
    venv.create(directory, clear=True)
    words = [sys.executable, '-m', 'pip', '--python', str(peers_python(root)), 'install']
    words += ['--quiet', '--disable-pip-version-check', '--no-deps', '-r', str(wanted)]
    if subprocess.call(words):
        shutil.rmtree(directory)
        raise CellError(f'the packages of {wanted.name} cannot be installed; see the lines above')
    shutil.copy(wanted, made_from)


def _is_path(word: str) -> bool:
    return Path(word.partition('::')[0]).suffix == '.py' or os.sep in word


def _test_directories(root: Path, packages: list[str]) -> list[str]:
    found = {
        package.parent.name if package.parent.name != 'tests' else 'hilserl_tests': package.parent
        for package in [*root.glob('src/*/package.xml'), root / 'tests' / 'package.xml']
    }
    for name in packages:
        if name not in found:
            raise CellError(
                f'there is no package {name}; the packages: {", ".join(sorted(found))}'
            )
    directories = [found[name] / 'test' for name in packages or sorted(found)]
    return [str(directory) for directory in directories if directory.is_dir()]


def _pytest(
    words: Sequence[str],
    coverage: '_Coverage | None',
    results: Path,
    threads: str = '',
    root: Path | None = None,
) -> int:
    words = ['-m', 'pytest', '-q', '-p', outcomes.MODULE, f'--junit-xml={results}', *words]
    environment = os.environ | ({'OMP_NUM_THREADS': threads} if threads else {})
    return subprocess.call(
        [sys.executable, *(coverage.words if coverage else ()), *words], env=environment, cwd=root
    )


def _colcon(root: Path, packages: list[str], coverage: '_Coverage | None') -> int:
    for old in (*root.glob('build/*/pytest.xml'), *root.glob('build/*/test_results')):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    words = [shutil.which('colcon') or 'colcon', 'test']
    # One package at a time, and two of its files: their nodes wait more than they work.
    words += ['--executor', 'sequential', '--event-handlers', 'console_direct+']
    words += ['--packages-select', *packages] if packages else []
    # The tests without the mark ran already. Without --return-code-on-test-failure the exit code
    # tells only errors of colcon and of pytest; the result files tell the failures.
    words += ['--pytest-args', '-m', 'graph', '-p', outcomes.MODULE, *TWO_FILES_AT_A_TIME]
    return subprocess.call(
        [sys.executable, *(coverage.words if coverage else ()), *words], cwd=root
    )


def _count(results: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped of all result files."""
    tests = failed = skipped = 0
    for file in results.glob('*.xml'):
        for suite in ElementTree.parse(file).getroot().iter('testsuite'):
            tests += int(suite.get('tests', 0))
            failed += int(suite.get('failures', 0)) + int(suite.get('errors', 0))
            skipped += int(suite.get('skipped', 0))
    return tests - failed - skipped, failed, skipped


class _Coverage:
    """Coverage of every Python process that the tests start."""

    def __init__(self, root: Path):
        self._data = root / 'build' / 'coverage'
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(parents=True)
        os.environ['COVERAGE_FILE'] = str(self._data / 'data')  # wherever a process works
        self._config = f'--rcfile={root / "pyproject.toml"}'
        self.words = ['-m', 'coverage', 'run', self._config]

    def report(self) -> None:
        """Print the table."""
        coverage = [sys.executable, '-m', 'coverage']
        subprocess.run([*coverage, 'combine', '--quiet', self._config], check=False)
        subprocess.run([*coverage, 'report', self._config], check=False)
