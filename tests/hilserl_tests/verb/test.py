"""Run the tests: all, the fast ones, one package, one file or one test.

./cell test                          the tests of every package: first those of timing (marks
                                     graph, timing), then those of whole cells one at a time and
                                     beside these, at idle priority, the others
./cell test --long                   also those that last longest (mark long)
./cell test PACKAGE ...              every test of these packages
./cell test PATH[::NAME] ...         these files or tests
./cell test --fast                   what needs no ROS graph and does not last seconds
./cell test --peers                  the emulated servos, with LeRobot's bus class and rustypot,
                                     and datasets, with LeRobot itself (1 GB of packages)
./cell test --with-peers             every test, also those; if their packages cannot be had, the
                                     last line says so

A busy computer can fail tests. Failed ones run once more, in a new process; the last lines name
them and the load. A file or a test that you name is not run again.
"""

from argparse import ArgumentParser, Namespace
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
from ..runner import (
    FILES_AT_A_TIME,
    OF_TIMING,
    TWO_AT_A_TIME,
    WHOLE_CELLS,
    Coverage,
    Pytest,
)
from ..source_tree import source_root

NO_HANG = ['--timeout=300']  # s for a test, as in colcon.meta
FAST = 'not graph and not slow'
PEERS, LEROBOT = 'peers', 'lerobot'  # requirements-NAME.txt become the environment build/NAME
TESTS_FAILED, NO_TESTS = 1, 5  # pytest's exit codes


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('what', nargs='*', help='packages, or PATH[::NAME]')
    parser.add_argument(
        '--fast', action='store_true', help='no graph, nothing slow; two at a time'
    )
    parser.add_argument('--long', action='store_true', help='also those that last a minute each')
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
        _make_peers(root, LEROBOT)
        tests = root / 'tests' / 'test'
        options.what = [str(tests / 'test_peers.py'), str(tests / 'test_lerobot_datasets.py')]
    missing = peers_missing(root) if options.with_peers else ''
    paths = [word for word in options.what if _is_path(word)]
    packages = [word for word in options.what if word not in paths]
    if paths and packages:
        raise CellError(f'{packages[0]} is neither a file nor a package beside {paths[0]}')
    found = _packages(root, packages)  # an unknown package ends here
    directories = [str(directory) for directory in found.values() if directory.is_dir()]
    results = root / 'build' / 'test_results'
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    coverage = Coverage(root) if options.coverage else None
    os.environ[outcomes.FILE] = str(results / 'first.jsonl')
    pytest = Pytest(coverage, results)
    if paths:
        code = pytest.run(paths)
    elif options.fast:
        code = pytest.run([*TWO_AT_A_TIME, '-m', FAST, *directories], threads='1')
    else:
        whole = [str(found[WHOLE_CELLS])] if WHOLE_CELLS in found else []
        small = [directory for directory in directories if directory not in whole]
        more = '' if options.long else ' and not long'
        timed, others = f'({OF_TIMING}){more}', f'not ({OF_TIMING}){more}'
        codes = []
        if small:
            codes.append(
                pytest.run([*FILES_AT_A_TIME, *NO_HANG, '-m', timed, *small], 'timed.xml')
            )
        with pytest.beside([*TWO_AT_A_TIME, *NO_HANG, '-m', others, *directories]) as beside:
            if whole:
                codes.append(pytest.run([*NO_HANG, '-m', timed, *whole], 'whole_cells.xml'))
        codes.append(beside.returncode)
        code = next((each for each in codes if each not in (0, TESTS_FAILED, NO_TESTS)), 0)
    if code == TESTS_FAILED:  # the result files say which
        code = 0
    passed, failed, skipped = _count(results)
    retry = Retry(results / 'first.jsonl', results / 'second.jsonl')
    if not paths:
        os.environ[outcomes.FILE] = str(results / 'second.jsonl')
        mended = retry.run(lambda tests: pytest.run([*NO_HANG, *tests], 'second.xml', cwd=root))
        passed, failed = passed + mended, failed - mended
    if coverage:
        coverage.report()
    print(*retry.lines(), sep='\n')
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    if missing:
        print(missing)
    return 1 if code not in (0, NO_TESTS) or failed or not passed else 0


def peers_python(root: Path | None = None, name: str = PEERS) -> Path:
    """Return the interpreter of the clients of others; it may not exist."""
    return (root or source_root()) / 'build' / name / 'bin' / 'python'


def peers_missing(root: Path) -> str:
    """Make the environment of the clients of others; return a line if that fails, else ''."""
    try:
        _make_peers(root)
    except CellError as error:
        return f"NOT TESTED with LeRobot's bus class and rustypot: {error}"
    return ''


def _make_peers(root: Path, name: str = PEERS) -> None:
    """Make the environment of requirements-NAME.txt; CellError if packages are not at hand."""
    wanted, directory = root / f'requirements-{name}.txt', root / 'build' / name
    made_from = directory / wanted.name
    if made_from.exists() and made_from.read_bytes() == wanted.read_bytes():
        return
    venv.create(directory, clear=True)
    words = [sys.executable, '-m', 'pip', '--python', str(peers_python(root, name)), 'install']
    words += ['--quiet', '--disable-pip-version-check', '--no-deps', '-r', str(wanted)]
    if subprocess.call(words):
        shutil.rmtree(directory)
        raise CellError(f'the packages of {wanted.name} cannot be installed; see the lines above')
    shutil.copy(wanted, made_from)


def _is_path(word: str) -> bool:
    return Path(word.partition('::')[0]).suffix == '.py' or os.sep in word


def _packages(root: Path, chosen: list[str]) -> dict[str, Path]:
    """Return the directory of the tests of each chosen package, or of all; it may not exist."""
    found = {
        package.parent.name if package.parent.name != 'tests' else WHOLE_CELLS: package.parent
        for package in [*root.glob('src/*/package.xml'), root / 'tests' / 'package.xml']
    }
    for name in chosen:
        if name not in found:
            raise CellError(
                f'there is no package {name}; the packages: {", ".join(sorted(found))}'
            )
    return {name: found[name] / 'test' for name in chosen or sorted(found)}


def _count(results: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped of all result files."""
    tests = failed = skipped = 0
    for file in results.glob('*.xml'):
        for suite in ElementTree.parse(file).getroot().iter('testsuite'):
            tests += int(suite.get('tests', 0))
            failed += int(suite.get('failures', 0)) + int(suite.get('errors', 0))
            skipped += int(suite.get('skipped', 0))
    return tests - failed - skipped, failed, skipped
