"""Make the keys of the link to a learner on another host (./cell secure --link).

It makes link-keys/ with a certificate authority and one folder for each side: `learner`, and `arm`
(or the names given by --arms, one for each computer with an arm). Copy an arm's folder to that
computer, into a link-keys/ where ./cell is started; `ca` stays here. Keys that exist are kept, so
the same command with more names adds arms.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..keys import DIRECTORY


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('--keys', type=Path, default=Path(DIRECTORY), metavar='DIRECTORY')
    parser.add_argument(
        '--arms', default='arm', metavar='NAMES', help='names of the arms: arm, or a,b'
    )


def main(options: Namespace) -> None:
    """Make the keys and say where each folder belongs."""
    from .. import keys

    directory = options.keys.expanduser().absolute()
    arms = [name for name in options.arms.split(',') if name]
    made = keys.make_keys(directory, arms)
    for folder in made:
        print(f'made {folder}')
    if not made:
        print(f'nothing to make: all keys are in {directory}')
    for name in arms:
        print(f'to the computer of {name}: scp -rp {directory / name} HOST:CHECKOUT/{DIRECTORY}/')
    print('then: ./cell learn listen:=0.0.0.0 here, and ./cell act learner:=ADDRESS there')
