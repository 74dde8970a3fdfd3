"""As much of ROS's `launch` as executes our launch files; written from its documentation.

`execute` visits a description as `ros2 launch` does: depth first, each action once.
"""

from .launch_context import LaunchContext
from .launch_description import LaunchDescription

__all__ = ['LaunchContext', 'LaunchDescription', 'execute']


def execute(entity, context):
    """Visit an entity; return every action that was executed, in order."""
    condition = getattr(entity, 'condition', None)
    if condition is not None and not condition.evaluate(context):
        return []
    executed = [entity]
    for child in entity.execute(context) or []:
        executed += execute(child, context)
    return executed
