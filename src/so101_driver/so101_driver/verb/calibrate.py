"""Record an arm's ranges of motion, or check a calibration file.

The calibration is guided, with live bars in the terminal. It writes LeRobot's file format.
--check writes nothing: it shows every problem of the file, what may be wrong with its zeros, and,
with a port, how it differs from the servos. With --other it checks both arms' files as a pair.
--check-zero finds zeros that are wrong, with two poses that you set by hand, and corrects the
file with your consent.
If a calibration was killed, --restore gives the servos their old registers back; the next
calibration and the driver's next start do that too. Port and files come from bench.yaml, if it
is here.
"""

from argparse import ArgumentParser, Namespace
from contextlib import contextmanager
from typing import Any

# options of the driver
OF_DRIVER = ('least_range', 'most_range', 'span_difference', 'joint_limits')


_NOTES = {
    'least_range': ' (a new calibration asks for 0.75 without it)',
    'most_range': '',
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('arm', choices=('follower', 'leader'))
    parser.add_argument('--port', help='serial port (default: that of the bench)')
    parser.add_argument(
        '--file', help="calibration file, LeRobot's format (default: that of the bench)"
    )
    parser.add_argument(
        '--bench',
        default='',
        metavar='FILE',
        help='bench file (default: bench.yaml, if it is here; none: no bench file)',
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        '--check',
        action='store_true',
        help='only check the file, and compare it with the servos if there is a port',
    )
    instead.add_argument(
        '--check-zero',
        action='store_true',
        help='compare the zeros with the model in two poses that you set, and correct the file',
    )
    instead.add_argument(
        '--restore',
        action='store_true',
        help='after a calibration that was killed: give the servos their old registers back',
    )
    parser.add_argument(
        '--yes',
        action='store_true',
        help='with --check-zero: write the corrected file without a question',
    )
    parser.add_argument(
        '--other',
        metavar='FILE',
        help="with --check: the other arm's file, for a check of the pair (default: the bench's)",
    )
    for name in OF_DRIVER:
        parser.add_argument(
            f'--{name.replace("_", "-")}',
            metavar='VALUE',
            help=f"the bench's driver.{name}" + _NOTES.get(name, ' (with --check)'),
        )


def main(options: Namespace) -> int:
    """Calibrate, or check; return 1 if file and servos differ."""
    from rich.console import Console

    from so101_node.errors import CellError

    from ..bench_file import arm_value
    from ..calibrate import calibrate, restore
    from ..calibration_file import path_of_calibration
    from ..calibration_problems import WHOLE
    from ..check_zero import check_zero

    console = Console(markup=False, highlight=False)
    if options.check:
        return _check(options, console)
    given = [
        name
        for name in ('other', *OF_DRIVER)
        if name not in _NOTES and getattr(options, name) is not None
    ]
    if given:
        raise CellError(f'--{given[0].replace("_", "-")} is for --check; add --check')
    port = arm_value(options.port, options.arm, 'port', options.bench, '--port')
    file = arm_value(options.file, options.arm, 'calibration', options.bench, '--file')
    file = path_of_calibration(file, options.arm)
    if options.least_range is None:
        options.least_range = str(WHOLE.least)
    plausible, _ = _of_driver(options)
    with _bus(port) as bus:
        if options.restore:
            restore(options.arm, bus, file, console)
            return 0
        if options.check_zero:
            return 0 if check_zero(options.arm, bus, file, options.yes, console) else 1
        try:
            calibrate(options.arm, bus, file, console, plausible)
        except KeyboardInterrupt:
            raise KeyboardInterrupt('stopped; the servos have their old registers') from None
    console.print(f'next: {_next_step(options)}', soft_wrap=True)
    return 0


def _next_step(options: Namespace) -> str:
    """Return the command after a calibration: the other arm's, if the bench has no file of it."""
    from pathlib import Path

    from ..bench_file import arm_value

    other = 'leader' if options.arm == 'follower' else 'follower'
    file = arm_value(None, other, 'calibration', options.bench, '')
    if file and not Path(file).exists():
        return f'./cell calibrate {other}'
    return './cell preflight sim:=false'


def _check(options: Namespace, console: Any) -> int:
    from ..bench_file import arm_value
    from ..check_calibration import compare, load_files

    port = arm_value(options.port, options.arm, 'port', options.bench, '')
    other_arm = 'leader' if options.arm == 'follower' else 'follower'
    other = options.other
    if options.file is None:
        other = arm_value(other, other_arm, 'calibration', options.bench, '')
    file = arm_value(options.file, options.arm, 'calibration', options.bench, '--file')
    paths = {options.arm: file} | ({other_arm: other} if other else {})
    calibrations = load_files(paths, *_of_driver(options), console)
    if port is None:
        console.print('no problem in ' + ' and '.join(paths.values()), soft_wrap=True)
        return 0
    with _bus(port) as bus:
        return 0 if compare(bus, calibrations[options.arm], console) else 1


@contextmanager
def _bus(port: str) -> Any:
    """Open an arm's port, with its adapter measured, for the `with` block."""
    from ..adapter import fit
    from ..bus import Bus
    from ..servos import IDS

    bus = Bus(port, IDS, answer_timeout=0.01)
    try:
        for line in fit(bus):
            print(line)
        yield bus
    finally:
        bus.close()


def _of_driver(options: Namespace) -> tuple[Any, str]:
    """Return the driver's `Plausible` and joint limits, with the values that were given."""
    from so101_node.options import options_of

    from ..calibration_problems import Plausible
    from ..options import DriverOptions

    table = options_of(DriverOptions)
    values = [
        table[name].default
        if getattr(options, name) is None
        else table[name].parse(getattr(options, name))
        for name in OF_DRIVER
    ]
    return Plausible(*values[:3]), values[3]
