"""Measure a policy: deterministic, the leader ignored."""


def add_arguments(parser) -> None:
    """Declare the arguments."""
    from ..bringup import command

    command.add_arguments(parser, 'eval')


def main(options) -> int:
    """Run the cell to its end."""
    from ..bringup import command

    return command.run('eval', options.arguments)
