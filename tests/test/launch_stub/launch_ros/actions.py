"""Actions that start nodes."""

from launch.action import Action
from launch.substitutions import text_of


def _value(context, value):
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    if isinstance(value, (list, tuple)) and not any(hasattr(v, 'perform') for v in value):
        return list(value)
    return text_of(context, value)


class Node(Action):
    """Starts a node. `started`: what would be started, with the scope's settings."""

    def __init__(
        self,
        *,
        executable,
        package,
        name=None,
        namespace=None,
        parameters=(),
        remappings=(),
        arguments=(),
        ros_arguments=(),
        additional_env=None,
        condition=None,
        output='log',
        emulate_tty=False,
        sigterm_timeout='5',
        sigkill_timeout='5',
    ):
        super().__init__(condition=condition)
        self.executable, self.package, self.name = executable, package, name
        self.namespace, self.parameters, self.remappings = namespace, parameters, remappings
        self.arguments, self.environment = arguments, additional_env or {}
        self.started = None

    def execute(self, context):
        own = text_of(context, self.namespace or '')
        base = context.launch_configurations.get('ros_namespace') or ''
        namespace = own if own.startswith('/') else '/'.join(filter(None, [base, own]))
        self.started = {
            'node': f'{self.package}/{self.executable}',
            'name': self.name and text_of(context, self.name),
            'namespace': '/' + namespace.strip('/'),
            'global_params': list(context.launch_configurations.get('global_params', [])),
            'ros_remaps': list(context.launch_configurations.get('ros_remaps', [])),
            'parameters': {
                name: _value(context, value)
                for part in self.parameters
                for name, value in part.items()
            },
            'remappings': [
                [text_of(context, source), text_of(context, target)]
                for source, target in self.remappings
            ],
            'arguments': [text_of(context, each) for each in self.arguments],
            'environment': dict(self.environment),
        }


class SetParameter(Action):
    """Gives a parameter to every node of the scope."""

    def __init__(self, name, value, **kwargs):
        super().__init__(**kwargs)
        self.pair = (name, value)

    def execute(self, context):
        before = context.launch_configurations.get('global_params', [])
        context.launch_configurations['global_params'] = [*before, self.pair]


class PushRosNamespace(Action):
    """Puts the nodes of the scope into a namespace."""

    def __init__(self, namespace, **kwargs):
        super().__init__(**kwargs)
        self.namespace = namespace

    def execute(self, context):
        before = context.launch_configurations.get('ros_namespace') or ''
        context.launch_configurations['ros_namespace'] = '/'.join(
            filter(None, [before, self.namespace])
        )
