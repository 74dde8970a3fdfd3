"""Measure a policy: deterministic, the leader ignored."""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from ..bringup import command

    command.add_arguments(parser, 'eval')


def main(options: Namespace) -> int:
    """Run the cell to its end."""
    from ..bringup import command

    return command.run('eval', options.arguments)
