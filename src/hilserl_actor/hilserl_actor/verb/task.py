"""Show, check or begin a task file: ./cell task show|check|new NAME.

A task is what is observed, done and rewarded. NAME is that of an installed task, or the path of a
file. `show` prints a task, or without NAME the installed ones; `check` says whether the arm can do
it; `new` writes a file with a comment for each key.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from so101_node.errors import CellError


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('action', choices=('show', 'check', 'new'))
    parser.add_argument('name', nargs='?', default='', help='name of a task, or path of a file')


def main(options: Namespace) -> int:
    """Do one of the three; return 1 if a check fails."""
    if not options.name and options.action != 'show':
        raise CellError(f'{options.action} needs the name of a task or the path of a file')
    return {'show': _show, 'check': _check, 'new': _new}[options.action](options.name)


def _show(name: str) -> int:
    from hilserl_core.contract.tasks import installed_tasks, make_task, read_task
    from so101_description.model import model_hash

    if not name:
        tasks = installed_tasks()
        width = max(map(len, tasks))
        for task in tasks:
            print(f'{task:{width}}  {read_task(task).instruction}')
        return 0
    schema = make_task(name, model_hash())
    print(f'{schema.name}: {schema.instruction}')
    print(f'hash {schema.hash} with images of 160x120 pixels')
    print(f'{schema.rate:g} Hz, {schema.max_steps} steps, start {schema.start} m')
    for camera in schema.cameras:
        print(
            f'{camera.name}: crop top {camera.top} left {camera.left} height {camera.height} '
            f'width {camera.width}, stored as {camera.out_width}x{camera.out_height}'
        )
    print(f'action: {", ".join(schema.action_space.text())}')
    if schema.discrete_gripper:
        print('the gripper closes, holds or opens (-1, 0 or 1)')
    print(f'state: {", ".join(schema.state_names)}')
    return 0


def _check(name: str) -> int:
    from hilserl_core.contract.tasks import make_task, read_task
    from so101_description.model import model_hash

    from ..bringup.task_check import problems

    schema = make_task(name, model_hash())
    found = problems(schema)
    if read_task(name).sim:
        from so101_sim.scene_check import scene_problems  # an arm's computer may not have it

        found += scene_problems(name, schema)
    for sentence in found:
        print(f'task {schema.name}: {sentence}')
    if not found:
        print(f'task {schema.name} is valid; its hash is {schema.hash}')
    return 1 if found else 0


def _new(name: str) -> int:
    from hilserl_core.contract.task_text import template
    from hilserl_core.contract.tasks import SUFFIX, read_task
    from so101_node.foreign_files import expanded

    path = expanded(name if Path(name).suffix else name + SUFFIX)
    try:
        with open(path, 'x', encoding='utf-8') as file:
            file.write(template(path.stem))
    except FileExistsError:
        raise CellError(f'{path} exists already; give another name') from None
    except OSError as error:
        raise CellError(f'{path} cannot be written: {error.strerror}') from error
    try:
        read_task(str(path.absolute()))
    except CellError:  # the name
        path.unlink()
        raise
    print(f'{path}: change it, then run ./cell task check {path}')
    return 0
