"""The control loop's client of a policy of another program.

The loop waits for a part of its period only. An answer that comes later is taken at the next tick,
as a robot of LeRobot does that waits for its policy.
"""

from array import array
import threading
import time
from typing import Any

from rclpy.client import Client
from rclpy.time import Time
from sensor_msgs.msg import Image

from hilserl_core.contract.task import TaskSchema
from so101_description.joint_messages import joint_state
from so101_description.joints import pack
from so101_interfaces.srv import GetPolicyTarget
from so101_node.errors import CellError
from so101_node.refusals import short

from ..loop.episode import Sensed
from ..loop.interfaces import Joints

WAIT = 0.5  # of the period that a tick waits for an answer
MAX_AGE = 1.0  # s; an answer to an older observation is dropped


class ServiceTargets:
    """Implements `loop.target_policy.PolicyTargets` with the service of the policy's node.

    patience: factor of both times.
    """

    def __init__(self, schema: TaskSchema, client: Client[Any, Any], patience: float):
        self._client = client
        self._wait, self._max_age = WAIT / schema.rate * patience, MAX_AGE * patience
        self._asked: tuple[Any, threading.Event, float] | None = None  # future, done, s

    def ready(self) -> bool:
        """Return whether the service is there."""
        return bool(self._client.service_is_ready())

    def ask(self, sensed: Sensed, new: bool) -> Joints:
        """Return the joint target (6,) rad; CellError if the answer is late, or none."""
        if new or (self._asked and time.monotonic() - self._asked[2] > self._max_age):
            self._forget()
        if self._asked is None:
            done = threading.Event()
            future = self._client.call_async(_request(sensed, new))
            future.add_done_callback(lambda _: done.set())
            self._asked = future, done, time.monotonic()
        future, done, _ = self._asked
        if not done.wait(self._wait):
            raise CellError(
                f'the policy did not answer within {self._wait * 1e3:.0f} ms; the arm holds and '
                'nothing is recorded'
            )
        self._asked = None
        answer: GetPolicyTarget.Response = future.result()
        if not answer.ok:
            raise CellError(f'the policy: {short(answer.message)}')
        return pack(answer.target.name, answer.target.position)

    def _forget(self) -> None:
        if self._asked:
            self._client.remove_pending_request(self._asked[0])
            self._asked = None


def _request(sensed: Sensed, new: bool) -> GetPolicyTarget.Request:
    stamp = Time(nanoseconds=sensed.stamp).to_msg()
    request = GetPolicyTarget.Request(joints=joint_state(sensed.position, stamp), reset=new)
    request.header.stamp = stamp
    for pixels in sensed.images:
        height, width = pixels.shape[:2]
        request.images.append(
            Image(
                height=height,
                width=width,
                encoding='rgb8',
                step=3 * width,
                data=array('B', pixels.tobytes()),
            )
        )
    return request
