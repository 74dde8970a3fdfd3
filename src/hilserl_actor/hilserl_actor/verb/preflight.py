"""Check that the cell is ready; no arm moves."""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from ..bringup import command

    command.add_arguments(parser, 'preflight')


def main(options: Namespace) -> int:
    """Run the cell to its end."""
    from ..bringup import command

    return command.run('preflight', options.arguments)
