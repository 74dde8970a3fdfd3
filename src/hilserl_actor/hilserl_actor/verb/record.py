"""Record demonstrations: the human drives every episode."""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from ..bringup import command

    command.add_arguments(parser, 'record')


def main(options: Namespace) -> int:
    """Run the cell to its end."""
    from ..bringup import command

    return command.run('record', options.arguments)
