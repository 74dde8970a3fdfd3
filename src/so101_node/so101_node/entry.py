"""Entry points of the nodes. A Ctrl-C during a node's imports ends it without a stack trace."""

import importlib
import os
import signal


def node_entry(module: str, name: str):
    """Return the console script that runs node class `name` of `module`."""

    def main():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: os._exit(0))
        from .ros_node import run

        run(getattr(importlib.import_module(module), name))

    return main
