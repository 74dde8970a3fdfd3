"""Record an arm's ranges of motion, or compare them with its servos.

The calibration is guided, with live bars in the terminal. It writes LeRobot's file format.
"""


def add_arguments(parser) -> None:
    """Declare the arguments."""
    parser.add_argument('arm', choices=('follower', 'leader'))
    parser.add_argument('--port', required=True, help='serial port (/dev/serial/by-id/...)')
    parser.add_argument('--file', required=True, help="calibration file, LeRobot's format")
    parser.add_argument(
        '--check',
        action='store_true',
        help='only compare the file with the servos; writes nothing',
    )


def main(options) -> int:
    """Calibrate, or compare; return 1 if file and servos differ."""
    from rich.console import Console

    from ..bus import Bus
    from ..calibrate import calibrate, check
    from ..servos import IDS

    bus = Bus(options.port, IDS, answer_timeout=0.01)
    try:
        if options.check:
            return 0 if check(bus, options.file, Console()) else 1
        calibrate(options.arm, bus, options.file, Console())
    except KeyboardInterrupt:
        raise KeyboardInterrupt('stopped; no file was written') from None
    finally:
        bus.close()
    return 0
