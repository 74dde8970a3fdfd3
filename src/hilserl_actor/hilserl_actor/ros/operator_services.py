"""The services with which the operator, or any other node, asks for a change of mode."""

from collections.abc import Callable

from std_srvs.srv import SetBool, Trigger

from so101_node import names
from so101_node.modes import Mode

from ..loop.control import ControlLoop
from ..loop.episode_runner import TERMINAL
from ..loop.readiness import Readiness
from .last_episode import BY_OPERATOR

TRIGGERS = {  # service -> event
    names.START: 'start',
    names.SUCCESS: 'success',
    names.FAILURE: 'failure',
    names.DISCARD: 'discard',
    names.ESTOP: 'estop',
    names.ESTOP_RESET: 'estop_reset',
}
SWITCHES = {  # service -> event of true, event of false
    names.INTERVENE: ('intervene', 'release'),
    names.PAUSE: ('pause', 'resume'),
}


BETWEEN = (Mode.RESET, Mode.READY)  # a mark there is for the episode that has just ended


class OperatorServices:
    """Hands each request to the loop; the answer says whether the loop refuses it, and why.

    overrule: gives the last episode another outcome, and returns why not, or ''.
    """

    def __init__(
        self,
        role: str,
        loop: ControlLoop,
        readiness: Readiness,
        has_leader: Callable[[], bool],
        overrule: Callable[[str], str],
    ):
        self._role, self._loop, self._overrule = role, loop, overrule
        self._readiness, self._has_leader = readiness, has_leader

    def on_trigger(
        self, event: str, _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Answer a service of TRIGGERS."""
        if event in TERMINAL and self._loop.machine.mode in BETWEEN:
            response.message = self._overrule(event)
        else:
            response.message = self._refusal(event)
        response.success = not response.message
        return response

    def on_switch(
        self, on: str, off: str, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        """Answer a service of SWITCHES."""
        response.message = self._refusal(on if request.data else off)
        response.success = not response.message
        return response

    def _refusal(self, event: str) -> str:
        if self._role == 'preflight':
            return 'this is a preflight; the arm does not move'
        if event == 'start' and self._loop.machine.mode is Mode.IDLE:
            return self._readiness.refusal or self._loop.request('preflight', BY_OPERATOR)
        return self._loop.request(event, BY_OPERATOR, self._has_leader())
