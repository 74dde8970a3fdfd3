"""Measure one part of the suite; without a name: list the measurements."""

import argparse
import ast
import os
import sys

from so101_node.errors import CellError

from ..source_tree import source_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('name', nargs='?', help='which measurement')
    parser.add_argument(
        'arguments',
        nargs=argparse.REMAINDER,
        help='its own arguments; ./cell bench NAME --help shows them',
    )


def main(options: argparse.Namespace) -> None:
    """Replace this process by the measurement."""
    files = {file.stem: file for file in sorted((source_root() / 'bench').glob('*.py'))}
    if options.name is None:
        print('benchmarks:')
        for name, file in files.items():
            summary = ast.get_docstring(ast.parse(file.read_text(encoding='utf-8'))) or ''
            print(f'  {name:10} {summary.partition(chr(10))[0]}')
        return
    if options.name not in files:
        raise CellError(f'there is no benchmark {options.name}; ./cell bench lists them')
    os.execv(sys.executable, [sys.executable, str(files[options.name]), *options.arguments])
