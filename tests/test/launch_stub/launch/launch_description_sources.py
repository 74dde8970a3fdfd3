"""Where a launch description comes from."""

import importlib.util

from .substitutions import text_of


class PythonLaunchDescriptionSource:
    """A Python launch file."""

    def __init__(self, launch_file_path):
        self.path = launch_file_path

    def get_launch_description(self, context):
        return load(text_of(context, self.path))


def load(path):
    """Return the launch description of a file."""
    spec = importlib.util.spec_from_file_location('python_launch_file', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()
