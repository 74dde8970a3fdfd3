"""What each key of the operator does: it calls its service. Terminal and console share this."""

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.client import Client
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from so101_node import names
from so101_node.modes import Mode
from so101_node.refusals import short

from ..operator.keyboard import STOP_KEYS
from .stop_keys import StopKeys

FOLLOWER_TORQUE = names.SET_TORQUE.format(arm='follower')
FOLLOWER_FAULTS, LEADER_FAULTS = (
    names.CLEAR_FAULTS.format(arm=arm) for arm in ('follower', 'leader')
)


class KeyServices:
    """Calls the service of a key.

    keys: as KEYS in keyboard.py. show(sentence): shows the operator what came of it. mode():
    returns the actor's mode; '' if no actor runs. Stops go to driver and actor directly.
    """

    def __init__(
        self,
        node: Node,
        keys: Mapping[str, tuple[str, str, bool | None]],
        show: Callable[[str], object],
        mode: Callable[[], str],
    ):
        self._keys, self._show, self._mode = keys, show, mode
        self.stops = StopKeys(node, show)
        self._clients: dict[tuple[str, bool], Client[Any, Any]] = {
            (name, value is None): node.create_client(Trigger if value is None else SetBool, name)
            for _, name, value in [*keys.values(), ('', LEADER_FAULTS, None)]
        }

    def press(self, key: str) -> bool:
        """Do what the key does; return False if it is no key of these. Any thread may call it."""
        if key in STOP_KEYS:
            self.stops.stop(*STOP_KEYS[key])
        elif key in self._keys:
            self._press(key)
        else:
            return False
        return True

    def _press(self, key: str) -> None:
        text, name, value = self._keys[key]
        if name == names.DRIVER_STOP_RESET:
            self.stops.end(text)
            return
        mode = self._mode()
        if name == FOLLOWER_TORQUE and mode not in ('', Mode.IDLE):
            self._show(f'{text}: not now; v stops the arm and releases it in every mode')
            return
        if name == names.PAUSE:
            value = mode != Mode.PAUSED
        if name == FOLLOWER_FAULTS and self._clients[(LEADER_FAULTS, True)].service_is_ready():
            self.call(f'{text}: leader', LEADER_FAULTS, None)
            text = f'{text}: follower'
        self.call(text, name, value)

    def call(self, text: str, name: str, value: bool | None) -> None:
        """Call the service of one of the keys; `text` begins the sentence about its answer."""
        client = self._clients[(name, value is None)]
        if not client.service_is_ready():
            self._show(f'{text}: no node offers {name} now: wait for the cell')
            return
        request = Trigger.Request() if value is None else SetBool.Request(data=value)
        client.call_async(request).add_done_callback(
            lambda future: self._show_answer(text, future.result())
        )

    def _show_answer(self, text: str, answer: Trigger.Response | SetBool.Response) -> None:
        self._show(f'{text}: {"ok" if answer.success else short(answer.message)}')
