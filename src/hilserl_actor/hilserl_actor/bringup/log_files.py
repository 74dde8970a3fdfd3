"""The log files of the nodes in a run's directory: `log/actor.txt` is that of the last start."""

from pathlib import Path
from typing import TextIO

STARTS = 5  # whose log files are kept


def open_log(path: Path, append: bool) -> TextIO:
    """Open a log file; that of the start before becomes actor.1.txt, its own actor.2.txt, ..."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if append:  # the node was started again: keep the reason of its death
        return path.open('a', encoding='utf-8')
    for number in range(STARTS - 1, 0, -1):
        older = earlier(path, number)
        newer = earlier(path, number - 1)
        if newer.exists():
            newer.replace(older)
    return path.open('w', encoding='utf-8')


def earlier(path: Path, starts: int) -> Path:
    """Return the log file of that many starts ago; 0: of this one."""
    return path.with_suffix(f'.{starts}{path.suffix}') if starts else path


def last_lines(path: Path) -> str:
    """Return the last five lines."""
    lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
    return '\n'.join(lines[-5:])
