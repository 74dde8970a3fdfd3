"""Substitutions: texts that are known only while launching."""


def text_of(context, parts):
    """Return the text of a substitution, or of a list of texts and substitutions."""
    if isinstance(parts, (list, tuple)):
        return ''.join(text_of(context, part) for part in parts)
    return parts if isinstance(parts, str) else parts.perform(context)


class LaunchConfiguration:
    """The value of a launch argument."""

    def __init__(self, variable_name, default=None):
        self.name, self.default = variable_name, default

    def perform(self, context):
        if self.name not in context.launch_configurations and self.default is not None:
            return self.default
        return context.launch_configurations[self.name]
