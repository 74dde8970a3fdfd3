"""Find the arms and cameras of this bench, and write them into bench.yaml.

It asks what it cannot know; without a terminal, give the answers as arguments. Nothing is written
into a servo, and a port that another program has open is left alone. Values of an older bench.yaml
that are not found now are kept.
"""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        '--port',
        action='append',
        metavar='PORT',
        help='look at this serial port only (may be repeated); default: every USB serial port',
    )
    parser.add_argument('--follower', metavar='PORT', help='the serial port of the follower')
    parser.add_argument('--leader', metavar='PORT', help='the serial port of the leader')
    parser.add_argument('--voltage', type=float, metavar='V', help="of the follower's supply")
    parser.add_argument('--leader-voltage', type=float, metavar='V', help="of the leader's supply")
    parser.add_argument(
        '--camera',
        action='append',
        metavar='[ROLE=]DEVICE',
        help='the camera at the wrist, or of another role (front=/dev/video2); may be repeated',
    )
    parser.add_argument(
        '--hold',
        action='store_true',
        help='keep exposure, gain and white balance as the camera chose them for the light of now',
    )
    parser.add_argument(
        '--write', default='bench.yaml', metavar='FILE', help='default: bench.yaml'
    )
    parser.add_argument(
        '--images',
        metavar='DIRECTORY',
        help='where an image of each camera is saved (default: bench-images beside the file)',
    )
    parser.add_argument('--dry-run', action='store_true', help='print the file, write nothing')


def main(options: Namespace) -> int:
    """Find, ask and write; return 1 if something stays unclear."""
    from ..bench_search import BenchSearch

    return BenchSearch(options).run()
