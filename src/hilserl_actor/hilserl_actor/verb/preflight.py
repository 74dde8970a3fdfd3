"""Check that the cell is ready; no arm moves."""


def add_arguments(parser) -> None:
    """Declare the arguments."""
    from ..bringup import command

    command.add_arguments(parser, 'preflight')


def main(options) -> int:
    """Run the cell to its end."""
    from ..bringup import command

    return command.run('preflight', options.arguments)
