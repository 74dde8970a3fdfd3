"""Callbacks that no message can break: a message that a callback cannot use is refused.

A callback raises CellError for a message that it refuses. Any other exception is a mistake in the
callback; it costs the message, too, but not the node.
"""

from collections.abc import Callable
from functools import wraps
import traceback
from typing import Any

from .errors import CellError
from .refusals import Refusals, short

Senders = Callable[[], str]


def guarded_subscriber(
    callback: Callable[..., Any], topic: str, refusals: Refusals, senders: Senders
) -> Callable[..., Any]:
    """Return the callback of a subscription, with refusals instead of exceptions."""

    @wraps(callback)
    def call(*args: Any) -> None:
        try:
            callback(*args)
        except Exception as error:
            refusals.add(f'message of {topic}', reason(error), senders)

    return call


def guarded_server(
    callback: Callable[[Any, Any], Any], service: str, refusals: Refusals
) -> Callable[[Any, Any], Any]:
    """Return the callback of a service; its answer has the reason for a refusal, if it can."""

    @wraps(callback)
    def call(request: Any, response: Any) -> Any:
        try:
            return callback(request, response)
        except Exception as error:
            refusals.add(f'request of {service}', reason(error))
            answer = type(response)()
            if hasattr(answer, 'message'):
                answer.message = short(reason(error))
            return answer

    return call


def reason(error: Exception) -> str:
    """Return an exception as a sentence; for a mistake in the code, with its place."""
    if isinstance(error, CellError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f'{type(error).__name__} in {where.name}, line {where.lineno}: {short(error, 80)}'
