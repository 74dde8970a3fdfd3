"""Actions."""

from .action import Action
from .substitutions import text_of


class DeclareLaunchArgument(Action):
    """Gives a launch argument its default, and refuses a value that is no choice."""

    def __init__(self, name, *, default_value=None, description='', choices=None, **kwargs):
        super().__init__(**kwargs)
        self.name, self.default_value = name, default_value
        self.description, self.choices = description, choices
        if choices is not None and default_value is not None:
            assert default_value in choices, (name, default_value)

    def execute(self, context):
        value = context.launch_configurations.setdefault(
            self.name, text_of(context, self.default_value)
        )
        if self.choices is not None and value not in self.choices:
            raise RuntimeError(f'{self.name}: {value} is not in {self.choices}')


class OpaqueFunction(Action):
    """Calls a function."""

    def __init__(self, *, function, args=None, kwargs=None, **more):
        super().__init__(**more)
        self.function, self.args, self.kwargs = function, args or [], kwargs or {}

    def execute(self, context):
        return self.function(context, *self.args, **self.kwargs)


class IncludeLaunchDescription(Action):
    """Executes another launch file."""

    def __init__(self, launch_description_source, *, launch_arguments=(), **kwargs):
        super().__init__(**kwargs)
        self.source, self.launch_arguments = launch_description_source, launch_arguments

    def execute(self, context):
        for name, value in self.launch_arguments:
            context.launch_configurations[text_of(context, name)] = text_of(context, value)
        description = self.source.get_launch_description(context)
        context.locals.current_launch_file_path = text_of(context, self.source.path)
        return [description]


class GroupAction(Action):
    """Executes actions; if it is scoped, launch configurations are afterwards as before."""

    def __init__(self, actions, *, scoped=True, forwarding=True, launch_configurations=None, **k):
        super().__init__(**k)
        self.actions, self.scoped, self.forwarding = actions, scoped, forwarding
        self.configurations = launch_configurations or {}

    def execute(self, context):
        if not self.scoped:
            return self.actions

        def push(context):
            context.stack.append(dict(context.launch_configurations))
            if not self.forwarding:
                context.launch_configurations.clear()
            context.launch_configurations.update(self.configurations)

        def pop(context):
            context.launch_configurations.clear()
            context.launch_configurations.update(context.stack.pop())

        return [OpaqueFunction(function=push), *self.actions, OpaqueFunction(function=pop)]


class SetLaunchConfiguration(Action):
    """Sets a launch configuration."""

    def __init__(self, name, value, **kwargs):
        super().__init__(**kwargs)
        self.name, self.value = name, value

    def execute(self, context):
        context.launch_configurations[self.name] = text_of(context, self.value)


class RegisterEventHandler(Action):
    """Adds an event handler."""

    def __init__(self, event_handler, **kwargs):
        super().__init__(**kwargs)
        self.event_handler = event_handler

    def execute(self, context):
        context.handlers.append(self.event_handler)


class _Noted(Action):
    """An action that a test looks at afterwards."""

    def __init__(self, *args, **kwargs):
        super().__init__(condition=kwargs.pop('condition', None))
        self.args, self.kwargs = args, kwargs

    def execute(self, context):
        return None


class EmitEvent(_Noted):
    """Emits an event."""


class LogInfo(_Noted):
    """Logs a line."""


class TimerAction(_Noted):
    """Executes actions later."""
