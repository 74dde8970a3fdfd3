"""Which tests `./cell test` gives to colcon."""

from pathlib import Path
import subprocess
import sys

import pytest

from hilserl_tests.runner import OF_TIMING, has_tests_of_timing

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_package_without_the_marks_has_no_test_of_timing():
    without = [d for d in ROOT.glob('src/*/test') if not has_tests_of_timing(d)]
    assert without
    words = ['--collect-only', '-q', '-m', OF_TIMING, '-p', 'no:cacheprovider']
    found = subprocess.run(
        [sys.executable, '-m', 'pytest', *words, *without],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert 'no tests collected' in found.stdout and found.returncode == 5, found.stdout


def test_a_mark_is_found(tmp_path):
    file = tmp_path / 'test_new.py'
    file.write_text('import pytest\n\n\ndef test_one():\n    assert 1 + 1 == 2\n')
    assert not has_tests_of_timing(tmp_path)
    file.write_text(f'{file.read_text()}\n\npytestmark = [pytest.mark.timing]\n')
    assert has_tests_of_timing(tmp_path)
