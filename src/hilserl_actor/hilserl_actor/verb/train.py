"""Train a policy: it drives, a human takes over, a learner improves it from both."""


def add_arguments(parser) -> None:
    """Declare the arguments."""
    from ..bringup import command

    command.add_arguments(parser, 'train')


def main(options) -> int:
    """Run the cell to its end."""
    from ..bringup import command

    return command.run('train', options.arguments)
