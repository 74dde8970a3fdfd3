"""Make SROS 2 keys, so that only this cell's nodes take part.

Each node gets an enclave with the topics and services that it uses, and no others. Run it once,
and again after an update of the suite, with the ROS_DOMAIN_ID of the cell. It needs a middleware
with DDS security; that of the PyPI wheels has none, and the verb then says so and ends with 1.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('--keystore', type=Path, default=Path('keystore'), metavar='DIRECTORY')
    parser.add_argument('--namespace', default='', help='that of the cell')
    parser.add_argument(
        '--cells', default='', help='namespaces of other cells that its learner serves: b,c'
    )
    parser.add_argument(
        '--cameras', default='', help='roles of further cameras besides wrist: front,top'
    )


def main(options: Namespace) -> None:
    """Make the keys and print what to export."""
    from ..bringup import keystore

    cells = [name for name in options.cells.split(',') if name]
    directory = options.keystore.expanduser().absolute()
    roles = [role for role in options.cameras.split(',') if role]
    for name in keystore.make_keystore(directory, options.namespace, cells, roles):
        print(f'enclave {name}')
    print('on each host of the cell, with a copy of this directory that only its user can read:')
    print(f"export ROS_SECURITY_KEYSTORE='{directory}'")
    print('export ROS_SECURITY_ENABLE=true ROS_SECURITY_STRATEGY=Enforce')
