"""Check style, format, types and the layers of imports."""

from argparse import ArgumentParser, Namespace
import subprocess
import sys

from ..source_tree import source_root

CHECKS = {
    'ruff check': ('-m', 'ruff', 'check', '.'),
    'ruff format': ('-m', 'ruff', 'format', '--check', '.'),
    # importlinter has no module that can be run
    'import layers': ('-c', 'from importlinter.cli import lint_imports_command as f; f()'),
    'mypy': ('-m', 'mypy'),
}


def add_arguments(parser: ArgumentParser) -> None:
    """There are none."""


def main(options: Namespace) -> int:
    """Run every check side by side; 1 if one of them found something."""
    checks = {
        name: subprocess.Popen(
            [sys.executable, *words],
            cwd=source_root(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, words in CHECKS.items()
    }
    failed = False
    for name, check in checks.items():
        output, _ = check.communicate()
        print(f'{name:13}  {"FAILED" if check.returncode else "ok"}', flush=True)
        if check.returncode:
            print(output.rstrip(), flush=True)
            failed = True
    return 1 if failed else 0
