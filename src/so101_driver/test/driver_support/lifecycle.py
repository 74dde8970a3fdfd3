"""Calls the lifecycle services of a node, as `ros2 lifecycle` does."""

import time

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions, GetState


class Lifecycle:
    """The lifecycle services of the node `name`. spin_until(condition, timeout): of a bench."""

    def __init__(self, node, name, spin_until):
        self._node, self._name, self._spin_until = node, name, spin_until
        kinds = {
            'change_state': ChangeState,
            'get_state': GetState,
            'get_available_transitions': GetAvailableTransitions,
        }
        self._clients = {
            each: node.create_client(kind, f'{name}/{each}') for each, kind in kinds.items()
        }

    def call(self, service, request):
        """Return the answer; ask again, because a killed node seems to be there for some time."""
        for _ in range(30):
            assert self._clients[service].wait_for_service(40.0)
            future = self._clients[service].call_async(request)
            end = time.monotonic() + 2.0
            self._spin_until(lambda: future.done() or time.monotonic() > end)
            if future.done():
                return future.result()
        raise AssertionError(f'{self._name}/{service} does not answer')

    @property
    def state(self):
        return self.call('get_state', GetState.Request()).current_state.label

    @property
    def transitions(self):
        answer = self.call('get_available_transitions', GetAvailableTransitions.Request())
        return {each.transition.label for each in answer.available_transitions}

    def request(self, label, number=0):
        """Return the future of the answer."""
        transition = Transition(label=label, id=number)
        assert self._clients['change_state'].wait_for_service(40.0)
        return self._clients['change_state'].call_async(ChangeState.Request(transition=transition))

    def set(self, label, number=0):
        future = self.request(label, number)
        self._spin_until(future.done, 20.0)
        return future.result().success
