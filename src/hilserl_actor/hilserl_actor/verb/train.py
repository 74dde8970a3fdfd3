"""Train a policy: it drives, a human takes over, a learner improves it from both."""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from ..bringup import command

    command.add_arguments(parser, 'train')


def main(options: Namespace) -> int:
    """Run the cell to its end."""
    from ..bringup import command

    return command.run('train', options.arguments)
