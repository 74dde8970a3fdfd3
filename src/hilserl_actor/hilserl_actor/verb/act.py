"""Train with a learner on another host: the arm, its cameras and its operator run here.

`learner:=HOST` or `learner:=HOST:PORT` is the address at which ./cell learn listens. All else is
as for ./cell train. Steps wait on this host's disk while there is no connection, and the arm goes
on with its last policy. Beyond this host it needs keys (./cell secure --link there, and the folder
of this arm copied here).
"""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from ..bringup import command

    command.add_arguments(parser, 'train')


def main(options: Namespace) -> int:
    """Run the cell to its end."""
    from so101_node.errors import CellError

    from ..bringup import command

    words = [
        f'link:={word.partition(":=")[2]}' if word.startswith('learner:=') else word
        for word in options.arguments
    ]
    if not any(word.partition(':=')[0] == 'link' and word.partition(':=')[2] for word in words):
        raise CellError('the address of the learner is missing: ./cell act learner:=HOST')
    return command.run('train', words)
