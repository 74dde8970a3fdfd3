"""The operator's keys and screen in this terminal, for a cell that runs.

For a cell that was started without a terminal, or to have the stop key in a second one. It takes
namespace:=NAME and the options of the node `operator`, as in `./cell operator screen:=plain`.
"""

from argparse import ArgumentParser, Namespace
from typing import NoReturn


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('arguments', nargs='*', metavar='name:=value')


def main(options: Namespace) -> NoReturn:
    """Become the node `operator`."""
    import os

    from so101_node.options import checked, plain_values

    from ..bringup import arguments, plan, supervisor
    from ..options import OperatorOptions

    given = arguments.texts_of(options.arguments)
    namespace = given.pop('namespace', '')
    values = plain_values(checked(OperatorOptions, given))
    node = plan.NodeSpec('hilserl_actor', 'operator', values)
    words = supervisor.command_line(node, namespace)
    os.execv(words[0], words)
