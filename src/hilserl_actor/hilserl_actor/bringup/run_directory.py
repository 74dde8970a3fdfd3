"""The directory of a command's run."""

from pathlib import Path
import re

from hilserl_core.contract.tasks import read_task
from so101_node.errors import CellError
from so101_node.foreign_files import expanded

from .arguments import Arguments
from .options import DEMONSTRATIONS, NEGATIVES


def run_directory(arguments: Arguments, task: str) -> Path:
    """Return the directory of the run; CellError if its name is none.

    task: name of an installed task, or the path of its file.
    """
    cell = arguments.cell
    recorded = {DEMONSTRATIONS: 'demos', NEGATIVES: 'negatives'}[cell.purpose]
    name = cell.run or (recorded if arguments.command == 'record' else read_task(task).name)
    if not re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9._-]*', name):
        raise CellError(f'run:={name} is not a name: letters, digits, . _ - only')
    return expanded(cell.runs_dir).absolute() / name
