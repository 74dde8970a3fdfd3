"""Record demonstrations: the human drives every episode."""


def add_arguments(parser) -> None:
    """Declare the arguments."""
    from ..bringup import command

    command.add_arguments(parser, 'record')


def main(options) -> int:
    """Run the cell to its end."""
    from ..bringup import command

    return command.run('record', options.arguments)
