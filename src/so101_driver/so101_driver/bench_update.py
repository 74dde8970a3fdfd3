"""Puts what was found on a bench into its bench file, and tells each change."""

from collections.abc import Mapping
from pathlib import Path
import shutil
import time
from typing import Any

import msgspec

from .bench_file import Bench, bench_of, read_bench, write_bench


def read_old(path: Path) -> Bench | None:
    """Return the bench file that is there; None if there is none."""
    return read_bench(path) if path.exists() else None


def updated(old: Bench | None, found: Mapping[str, Any], path: Path) -> Bench:
    """Return the bench with the found values {key: value}; keys are as `follower.port`."""
    data: dict[str, Any] = msgspec.to_builtins(old) if old else {'version': 1}
    for key, value in found.items():
        *sections, last = key.split('.')
        section = data
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return bench_of(data, path)


def changes(old: Bench | None, new: Bench, found: Mapping[str, Any]) -> list[str]:
    """Return a line for each value of the new bench: whether it is new, changed or kept."""
    before = dict(_set_values(old)) if old else {}
    lines = []
    for key, value in _set_values(new):
        note = ''
        if key not in before:
            note = ' (new)'
        elif before[key] != value:
            note = f' (was {before[key]})'
        elif key not in found:
            note = ' (kept)'
        lines.append(f'{key}: {value}{note}')
    return lines


def _set_values(bench: Bench) -> list[tuple[str, Any]]:
    return [(key, value) for key, _, _, value in bench.values() if value not in (None, '')]


def write(path: Path, old: Bench | None, new: Bench) -> str:
    """Write the file if its values change; return a sentence. The old file is kept beside it."""
    if old == new:
        return f'{path} has these values already'
    kept = ''
    if old:
        backup = path.with_name(f'{path.name}.{time.strftime("%Y%m%d-%H%M%S")}')
        shutil.copy2(path, backup)
        kept = f' (before: {backup.name})'
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bench(path, new)
    return f'written: {path}{kept}'
