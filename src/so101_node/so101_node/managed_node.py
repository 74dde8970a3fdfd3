"""A managed (lifecycle) node: `ros2 lifecycle` and Nav2's manager configure and activate it.

Without the option `managed` it configures and activates itself at its start. A subclass defines
what each transition does. A transition that raises CellError fails: the state stays as it was.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
import threading
import traceback
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn

from .errors import CellError
from .guarded import guarded_server
from .refusals import short
from .ros_node import CellNode

END_TIME = 10.0  # s that the end of the process waits for a transition that is under way


class ManagedNode(LifecycleNodeMixin, CellNode):
    """A CellNode with lifecycle services; its OPTIONS extend ManagedOption.

    enabled: whether it may do its work; False while it is inactive. problem: why the last
    transition failed.
    """

    def __init__(self, name: str):
        CellNode.__init__(self, name)
        # `get_state` is answered while a transition is under way.
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        self.enabled = not self.options.managed
        self.problem = ''
        self._beginning = False
        self._changing = threading.Lock()
        for each in ('get_state', 'get_available_states', 'get_available_transitions'):
            self._guard_service(each)
        self._guard_service('get_transition_graph')
        change = self._service_change_state
        change.callback = partial(self._on_change, change.callback)
        self._guard_service('change_state')

    def _guard_service(self, name: str) -> None:
        service = getattr(self, f'_service_{name}')
        service.callback = guarded_server(service.callback, f'~/{name}', self.refusals)

    # --- what a subclass defines -------------------------------------------------------------
    @abstractmethod
    def configure(self) -> None:
        """Open the hardware and check it."""

    @abstractmethod
    def activate(self) -> None:
        """Begin to work."""

    @abstractmethod
    def deactivate(self) -> None:
        """Stop the work; the hardware stays open."""

    @abstractmethod
    def cleanup(self) -> None:
        """Close the hardware, in any state."""

    # --- transitions -------------------------------------------------------------------------
    def begin(self) -> None:
        """Configure and activate the node, unless it is managed; CellError if it cannot."""
        if self.options.managed:
            self.get_logger().info(
                f'waits unconfigured: ros2 lifecycle set {self.get_fully_qualified_name()} '
                'configure, then activate'
            )
            return
        with self._changing:
            self._beginning = True
            for trigger in (self.trigger_configure, self.trigger_activate):
                if trigger() != TransitionCallbackReturn.SUCCESS:
                    raise CellError(self.problem)
            self._beginning = False

    def end(self) -> None:
        """Wait for a transition that is under way, and refuse all others from now on."""
        self._changing.acquire(timeout=END_TIME)

    def require_enabled(self) -> None:
        """Raise CellError if the node is not active."""
        if not self.enabled:
            state = self._state_machine.current_state[1]
            raise CellError(
                f'{self.get_name()} is {state}; activate it first: '
                f'ros2 lifecycle set {self.get_fully_qualified_name()} activate'
            )

    def _on_change(
        self,
        serve: Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response],
        request: ChangeState.Request,
        response: ChangeState.Response,
    ) -> ChangeState.Response:
        """Serve a request for a transition of the present state; CellError for all others."""
        if not self._changing.acquire(blocking=False):
            raise CellError('another transition is under way; try again')
        try:
            wanted = request.transition
            found = {each[1]: each[0] for each in self._state_machine.available_transitions}
            if wanted.label not in found if wanted.label else wanted.id not in found.values():
                state = self._state_machine.current_state[1]
                raise CellError(
                    f'{short(wanted.label or wanted.id, 40)} is no transition of a node that is '
                    f'{state}; it has {", ".join(found) or "none"}'
                )
            return serve(request, response)
        finally:
            self._changing.release()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Answer the state machine."""
        return self._attempt('configure', self.configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Answer the state machine."""
        result = self._attempt('activate', self.activate)
        self.enabled = result == TransitionCallbackReturn.SUCCESS
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Answer the state machine."""
        self.enabled = False
        result = self._attempt('deactivate', self.deactivate)
        self.enabled = result != TransitionCallbackReturn.SUCCESS
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Answer the state machine."""
        return self._attempt('cleanup', self.cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Answer the state machine."""
        self.enabled = False
        return self._attempt('shutdown', self.cleanup)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Answer the state machine. The process ends after an unexpected error."""
        return TransitionCallbackReturn.SUCCESS

    def _attempt(self, name: str, step: Callable[[], Any]) -> TransitionCallbackReturn:
        self.problem = ''
        try:
            step()
        except CellError as error:
            self.problem = str(error)
            if not self._beginning:  # else the process ends with this sentence
                self.get_logger().error(f'{name} failed: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.problem = f'{name} failed'
            self.fatal(f'{name} failed\n{traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR
        if not self._beginning:
            self.get_logger().info(f'{name} done')
        return TransitionCallbackReturn.SUCCESS
