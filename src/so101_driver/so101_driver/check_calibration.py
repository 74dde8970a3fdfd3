"""Shows the problems and doubts of calibration files, and how a file differs from the servos."""

import math

from rich.console import Console
from rich.table import Table

from so101_description.joints import JOINTS
from so101_node.errors import CellError

from .bus import Bus
from .calibration import Calibration, load_calibrations
from .calibration_problems import CalibrationRefused, Plausible, Problem, file_name
from .calibration_warnings import doubtful_zeros, lost_reach
from .recording import residuals
from .servo import BLOCK, to_position
from .servos import IDS
from .unfinished import mark_path


def problem_table(problems: tuple[Problem, ...]) -> Table:
    """Return the table of every problem of the files."""
    table = Table(title='problems of the calibration', show_lines=True)
    for heading in ('file', 'joint', 'problem', 'recorded', 'allowed', 'remedy'):
        table.add_column(heading, overflow='fold', min_width=18 if heading == 'remedy' else 8)
    for each in problems:
        files = ' and '.join(file_name(path) for path in each.where.split(' and '))
        table.add_row(files, each.joint, each.what, each.recorded, each.allowed, each.remedy)
    return table


def load_files(
    paths: dict[str, str], plausible: Plausible, joint_limits: str, console: Console
) -> dict[str, Calibration]:
    """Return the calibrations by arm. CellError after a table of their problems."""
    try:
        calibrations = load_calibrations(paths, plausible, joint_limits)
    except CalibrationRefused as refused:
        console.print(problem_table(refused.problems))
        count = len(refused.problems)
        raise CellError(
            f'{count} problem{"s" if count > 1 else ""} in {" and ".join(paths.values())}'
        ) from refused
    for arm, calibration in calibrations.items():
        if mark_path(calibration.path).exists():
            console.print(
                f'{mark_path(calibration.path)}: a calibration of the {arm} did not end; give its '
                f'servos their old registers back with ./cell calibrate {arm} --restore',
                soft_wrap=True,
            )
        for doubt in doubtful_zeros(calibration):
            console.print(doubt.sentence(calibration.path), soft_wrap=True)
        if line := lost_reach(calibration):
            console.print(line, soft_wrap=True)
    return calibrations


def compare(bus: Bus, calibration: Calibration, console: Console) -> bool:
    """Show the differences between file and servos; return whether they agree."""
    table = Table(title='servo minus file, ticks')
    for heading in ('joint', 'homing', 'min', 'max', 'now, deg'):
        table.add_column(heading, justify='left' if heading == 'joint' else 'right')
    different = residuals(bus, calibration)
    for i, joint in enumerate(JOINTS):
        ticks = to_position(bus.read(IDS[i], BLOCK, 2)[1])
        degrees = math.degrees((ticks - calibration.zero[i]) * calibration.scale[i])
        shown = f'{round(degrees, 1) + 0.0:.1f}'  # + 0.0: never -0.0
        table.add_row(joint, *(f'{v:+d}' if v else '0' for v in different[i].tolist()), shown)
    console.print(table)
    agree = not different.any()
    console.print(
        'servos and file agree'
        if agree
        else 'servos and file differ: the driver will write the file into the servos'
    )
    return agree
