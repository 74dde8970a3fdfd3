"""Runs pytest in processes of its own, and measures their coverage."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
import subprocess
import sys

from . import outcomes

OF_TIMING = 'graph or timing'
WHOLE_CELLS = 'hilserl_tests'  # the package whose tests of timing take both cores
TWO_AT_A_TIME = ('-n', '2', '--dist', 'worksteal')
FILES_AT_A_TIME = ('-n', '3', '--dist', 'loadfile')  # their nodes wait more than they work


class Pytest:
    """Runs pytest in a process of its own; the results go to a directory."""

    def __init__(self, coverage: 'Coverage | None', results: Path):
        self._coverage_words = coverage.words if coverage else []
        self._results = results

    def run(
        self,
        words: Sequence[str],
        file: str = 'tests.xml',
        threads: str = '',
        cwd: Path | None = None,
    ) -> int:
        """Run tests; return pytest's exit code."""
        return subprocess.call(self._command(words, file), env=_environment(threads), cwd=cwd)

    @contextmanager
    def beside(self, words: Sequence[str]) -> Iterator['subprocess.Popen[bytes]']:
        """Run tests at idle priority beside the body; then wait for them and print their lines."""
        lines = self._results / 'others.txt'
        with open(lines, 'wb') as output:
            process = subprocess.Popen(
                self._command(words, 'others.xml'),
                env=_environment('1'),
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_idle,
            )
            try:
                yield process
                print(f'cell: waiting for the other tests, see {lines}', flush=True)
                process.wait()
            finally:
                process.kill()
                process.wait()
        print(lines.read_text(encoding='utf-8', errors='replace'), flush=True)

    def _command(self, words: Sequence[str], file: str) -> list[str]:
        command = [sys.executable, *self._coverage_words, '-m', 'pytest', '-q']
        return [*command, '-p', outcomes.MODULE, f'--junit-xml={self._results / file}', *words]


def _environment(threads: str) -> dict[str, str]:
    """Of two workers each has a core: a numerical library's threads would take the other's."""
    return os.environ | ({'OMP_NUM_THREADS': threads} if threads else {})


def _idle() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class Coverage:
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
