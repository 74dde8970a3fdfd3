"""The figures in the documentation are those that were measured."""

from pathlib import Path
import subprocess
import sys

RESULTS = Path(__file__).parents[2] / 'bench' / 'results.py'


def test_the_tables_are_those_of_the_data():
    done = subprocess.run([sys.executable, RESULTS, '--check'], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
