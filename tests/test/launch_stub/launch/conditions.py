"""Conditions of actions."""

from .substitutions import text_of


class IfCondition:
    """Holds if a text is true."""

    def __init__(self, predicate_expression):
        self.expression = predicate_expression

    def evaluate(self, context):
        return {'true': True, '1': True, 'false': False, '0': False}[
            text_of(context, self.expression).lower()
        ]


class UnlessCondition(IfCondition):
    """Holds if a text is false."""

    def evaluate(self, context):
        return not super().evaluate(context)
