"""The arm's side of the link as a node: it stands in for a learner on another host."""

import asyncio
from functools import partial
from math import nan
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import Executor
from rclpy.serialization import deserialize_message
from std_srvs.srv import SetBool, Trigger

from hilserl_core.bags.cdr import step_from_cdr
from hilserl_core.policy.weights import weights_from_cdr, weights_to_cdr
from so101_interfaces.msg import LearnerStatus, LinkStatus, Step, Weights
from so101_interfaces.srv import LabelEpisode
from so101_node import names, qos
from so101_node.callback_threads import CallbackThreads
from so101_node.errors import CellError
from so101_node.foreign_files import expanded
from so101_node.ros_node import CellNode

from . import wire
from .address import context_of, host_and_port
from .client import LinkClient, LinkRefused
from .options import ARM, LinkClientOptions
from .spools import Spools

STATUS_PERIOD = 0.5  # s
LEARNER, DIAGNOSTICS = 'learner', 'diagnostics'  # kinds of statuses on the wire
THREADS = 2  # a service waits for the other host; steps must not wait for it


class LinkClientNode(CellNode):
    """`link_client`: steps out, policies in, the learner's services."""

    OPTIONS = LinkClientOptions
    options: LinkClientOptions

    def __init__(self) -> None:
        super().__init__('link_client')
        options, schema = self.options, self.options.schema()
        directory = expanded(options.spool_dir).absolute()
        self._spools = Spools(directory, int(options.spool_gb * 1e9))
        address = host_and_port('link', options.learner_address)
        self._tls = context_of(address[0], options.link_keys, ARM, False, options.without_keys)
        name = self.get_namespace().strip('/').replace('/', '.')
        name = name or ('' if self._tls else options.cell_name)
        hello = wire.Hello(wire.VERSION, name, schema.to_json(), schema.hash)
        self._link = LinkClient(
            address, self._tls, hello, self._spools, self, self.get_logger().info
        )
        self._policy_at, self._policy_version = nan, 0
        self._weights = self.create_publisher(Weights, names.WEIGHTS, qos.LATCHED)
        self._learner_status = self.create_publisher(
            LearnerStatus, names.LEARNER_STATUS, qos.STATUS
        )
        self._status = self.create_publisher(LinkStatus, names.LINK_STATUS, qos.STATUS)
        self.create_subscription(Step, names.STEP, self._on_step, qos.STEPS_KEPT, raw=True)
        waits = MutuallyExclusiveCallbackGroup()
        for kind, service in (
            (SetBool, names.LEARNER_PAUSE),
            (Trigger, names.LEARNER_SAVE),
            (Trigger, names.LEARNER_ROLL_BACK),
            (LabelEpisode, names.LEARNER_LABEL),
        ):
            self.create_service(
                kind, service, partial(self._on_service, service), callback_group=waits
            )
        self.create_timer(STATUS_PERIOD, self._publish_status)
        self._thread = self.guard(self._run)

    @staticmethod
    def make_executor() -> Executor:
        """Return an executor in which steps do not wait for a service."""
        return CallbackThreads(THREADS)

    def _run(self) -> None:
        try:
            asyncio.run(self._link.run(self.stop_event.is_set))
        except LinkRefused as error:
            self.fatal(str(error), refused=True)

    # -- from the cell ---------------------------------------------------------------------------

    def _on_step(self, data: bytes) -> None:
        step = step_from_cdr(data)
        if not self._spools.of(step.run_id).append(bytes(data), step.episode_id, step.index):
            raise CellError(
                f'the spool is full or cannot be written: step {step.index} is lost; connect the '
                'learner, or free some disk space'
            )
        self._link.wake()

    def _on_service(self, service: str, request: Any, response: Any) -> Any:
        values = [_plain(getattr(request, name)) for name in request.get_fields_and_field_types()]
        answer = self._link.call(service, values)
        response.success, response.message = answer.success, answer.message
        return response

    # -- from the learner, in the link's thread ---------------------------------------------------

    def on_policy(self, version: int, message: bytes) -> None:
        """Publish a policy; its stamp becomes one of this host's clock."""
        policy = weights_from_cdr(message)
        difference = self._link.clocks.best.wall
        stamp = policy.stamp - int(difference * 1e9) if difference == difference else 0
        self._weights.publish(weights_to_cdr(policy._replace(stamp=max(0, stamp))))
        self._policy_at, self._policy_version = time.monotonic(), policy.version

    def on_status(self, kind: str, data: bytes) -> None:
        """Publish a status of the learner as one of this cell."""
        if kind == LEARNER:
            status = deserialize_message(data, LearnerStatus)
            status.header.stamp = self.get_clock().now().to_msg()
            self._learner_status.publish(status)
        elif kind == DIAGNOSTICS:
            self.diagnose(*deserialize_message(data, DiagnosticArray).status[:20])

    # -- the status -------------------------------------------------------------------------------

    def _publish_status(self) -> None:
        link, now = self._link, time.monotonic()
        clocks = link.clocks.best
        message = LinkStatus(
            learner=link.url,
            connected=link.connected,
            encrypted=self._tls is not None,
            silence_s=now - link.heard_at,
            round_trip_ms=clocks.round_trip * 1e3,
            clock_difference_s=clocks.wall,
            waiting_steps=self._spools.waiting,
            recorded_steps=max(0, link.recorded - link.refused),
            lost_steps=self._spools.lost,
            refused_steps=link.refused,
            step_delay_ms_p99=link.traffic.delay_p99 * 1e3,
            policy_age_s=now - self._policy_at,
            policy_version=self._policy_version,
            sent_mbit_s=link.traffic.mbit_s('sent', now),
            received_mbit_s=link.traffic.mbit_s('received', now),
            message=self._sentence(now),
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._status.publish(message)

    def _sentence(self, now: float) -> str:
        link, parts = self._link, []
        if not link.connected:
            parts.append(
                f'no connection to the learner for {now - link.heard_at:.0f} s; the last policy '
                f'drives on, {self._spools.waiting} steps wait on disk'
            )
        elif link.excluded:
            parts.append(
                f"the learner's side has excluded this cell; {self._spools.waiting} steps wait on "
                'disk'
            )
        if self._spools.lost:
            parts.append(f'{self._spools.lost} steps are lost: the spool is full')
        if link.refused:
            parts.append(f"{link.refused} steps were refused; the learner's log says why")
        return '; '.join(parts)

    def close(self) -> None:
        """Send what is left for a moment, then close the spool: the rest goes out next time."""
        end = time.monotonic() + LAST_STEPS_WAIT
        while self._link.connected and self._spools.waiting and time.monotonic() < end:
            time.sleep(0.05)
        self.stop_event.set()
        self._thread.join(2.0)
        if waiting := self._spools.waiting:
            self.get_logger().info(f'{waiting} steps wait on disk for the learner')
        self._spools.close()


LAST_STEPS_WAIT = 3.0  # s; the learner writes its bags once a second


def _plain(value: Any) -> str | bool | int:
    """Return a field of a request as it goes over the wire; a time as ns."""
    if hasattr(value, 'nanosec'):
        return int(value.sec) * 10**9 + int(value.nanosec)
    return value  # type: ignore[no-any-return]
