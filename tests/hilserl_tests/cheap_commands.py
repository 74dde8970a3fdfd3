"""The command lines of README and docs that cost little, run on a small recorded run.

`python -m hilserl_tests.document_commands --run-cheap` runs them. Names of the documents' runs and
files are replaced by those of the small run; a line that needs an arm, a whole cell, minutes of
learning or a network is not among them.
"""

from collections.abc import Iterable
import os
from pathlib import Path
import re
import subprocess
import sys
import time

from so101_node import verb

from .small_run import RUN, make_small_run

# Lines that cost little, in the order in which they run. A pattern matches the whole line after
# `./cell `, without its comment.
CHEAP = (
    r'--help',
    r'bench failures --list',
    r'task (show|new|check)( \S+)?',
    r'checkpoints \S+',
    r'watch (?!.*--play)\S+.*',
    r'report \S+',
    r'label \S+ [a-z|]+',
)
RUNS = {'first', 'lift', 'RUN'}  # names of runs in the documents
EPISODES = {'12': '1', '13': '2', '14': '3'}
LEFT_OUT = {'watch runs/lift/eval/latest-1a2b3c4d-seed0-1 all'}  # the small run has no evaluation
TIME = 300.0  # s for one command; the computer may be busy


def cheap(texts: Iterable[str]) -> list[str]:
    """Return the cheap ones of `./cell` lines, each once and without `./cell`, in order."""
    found = {' '.join(text.partition('#')[0].split()[1:]) for text in texts}
    ordered = [
        line
        for pattern in CHEAP
        for line in sorted(found - LEFT_OUT, key=lambda line: ('new' not in line, line))
        if re.fullmatch(pattern, line)
    ]
    return [*ordered, *(f'{name} --help' for name in verb.verbs())]


def words_of(line: str, runs: Path) -> list[str]:
    """Return the words of a line with the names of the small run in `runs`."""
    bags = sorted(path for path in (runs / 'demos' / 'bags').iterdir() if path.is_dir())
    words = []
    for word in line.split():
        if word == 'BAG':
            word = str(bags[0])
        elif word in RUNS:
            word = RUN
        words.append(EPISODES.get(word, word.partition('|')[0]))
    return words


def run_cheap(texts: Iterable[str], directory: Path) -> list[str]:
    """Run the cheap lines in an empty directory. Return a line for each, with its exit code."""
    make_small_run(directory / 'runs')
    told = []
    for line in cheap(texts):
        words = words_of(line, directory / 'runs')
        if words[:2] == ['task', 'new']:  # pages name the same file
            (directory / f'{words[2]}.yaml').unlink(missing_ok=True)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, '-m', 'so101_node.verb', *words],
            cwd=directory,
            env=os.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIME,
        )
        told.append(f'{done.returncode}  {time.monotonic() - began:6.1f} s  ./cell {line}')
        if done.returncode:
            told += [f'    {each}' for each in done.stdout.splitlines()[-5:]]
    return told
