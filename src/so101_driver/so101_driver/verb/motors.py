"""Give the servos of a new arm their ids, baud rate and settings.

One servo at a time, the gripper first. Run it again to go on after a stop. It needs no other
software, and no servo may have torque: take the servos off the arm, or hold the arm.
"""

from argparse import ArgumentParser, Namespace

ANSWER_TIMEOUT = 0.016  # s: also an adapter with FTDI's latency timer is understood
PLUGS = 'Switch the supply off before you change a plug; switch it on before you press Enter.'


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from so101_description.joints import JOINTS

    parser.add_argument('arm', choices=('follower', 'leader'))
    parser.add_argument('--port', help='serial port (default: that of the bench)')
    parser.add_argument(
        '--voltage',
        type=float,
        metavar='V',
        help="your supply's voltage; servos that are not made for it are refused (default: that "
        'of the bench)',
    )
    parser.add_argument(
        '--bench',
        default='',
        metavar='FILE',
        help='bench file (default: bench.yaml, if it is here)',
    )
    parser.add_argument(
        '--joint',
        choices=JOINTS,
        help='only this servo, whatever id it has now (for a replaced servo)',
    )


def main(options: Namespace) -> int:
    """Set the servos up."""
    from ..bench_file import arm_value
    from ..bus import Bus
    from ..motors import Setup
    from ..servos import IDS

    arm, bench = options.arm, options.bench
    port = arm_value(options.port, arm, 'port', bench, '--port')
    voltage = arm_value(options.voltage, arm, 'voltage', bench, '')
    bus = Bus(port, IDS, answer_timeout=ANSWER_TIMEOUT)
    setup = Setup(arm, bus, _ask, print, voltage)
    try:
        if options.joint:
            setup.set_up(options.joint, rename=True)
        else:
            print(PLUGS)
            setup.run()
            print(
                f"The {arm}'s servos are set up. Build the arm, if you have not yet.\n"
                f'next: ./cell calibrate {arm}'
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f'stopped; no servo is half written; done: {", ".join(setup.done) or "none"}; run the '
            'command again to go on'
        ) from None
    finally:
        bus.close()
    return 0


def _ask(text: str) -> None:
    from so101_node.errors import CellError

    print(text, flush=True)
    try:
        input()
    except EOFError:
        raise CellError('the set-up ended without Enter; run the command again to go on') from None
