"""Entry points of the nodes. A Ctrl-C during a node's imports ends it without a stack trace."""

from collections.abc import Callable
import importlib
import os

from .sign_of_life import STAGE, give
from .signals import handle_endings


def node_entry(module: str, name: str) -> Callable[[], None]:
    """Return the console script that runs node class `name` of `module`."""

    def main() -> None:
        launcher = os.getppid()
        handle_endings(lambda *_: os._exit(0))
        give(STAGE)
        from .ros_node import run

        node = getattr(importlib.import_module(module), name)
        give(STAGE)
        run(node, launcher=launcher)

    return main
