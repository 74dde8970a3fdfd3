"""The learner's side of the link as a node: it stands in for the cells on other hosts."""

import asyncio
from collections.abc import Mapping
import re
import time
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.publisher import Publisher
from rclpy.serialization import serialize_message
from std_srvs.srv import SetBool, Trigger

from hilserl_core.policy.weights import weights_run_id
from so101_interfaces.msg import LearnerStatus, Recorded, Step, Weights
from so101_interfaces.srv import LabelEpisode
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.foreign_files import expanded
from so101_node.ros_node import CellNode

from .address import context_of, host_and_port
from .excluded import ExcludedCells
from .keys import LEARNER
from .options import LinkServerOptions
from .server import LinkServer

_SESSION = re.compile(r'[0-9a-f]{1,32}')
STATUS_PERIOD = 1.0  # s
CALL_TIME = 7.0  # s; the learner itself answers within 5
KINDS = {
    names.LEARNER_PAUSE: SetBool,
    names.LEARNER_SAVE: Trigger,
    names.LEARNER_ROLL_BACK: Trigger,
    names.LEARNER_LABEL: LabelEpisode,
}


class LinkServerNode(CellNode):
    """`link_server`: steps of all cells to the learner, its policies to them."""

    OPTIONS = LinkServerOptions
    options: LinkServerOptions

    def __init__(self) -> None:
        super().__init__('link_server')
        options = self.options
        address = host_and_port('listen', options.listen)
        tls = context_of(address[0], options.link_keys, LEARNER, True, options.without_keys)
        # one a cell: each has a budget of its own; and the session of the learner that it is for
        self._steps: dict[str, tuple[str, Publisher[Step]]] = {}
        self._learner_services: dict[str, Any] = {
            name: self.create_client(kind, name) for name, kind in KINDS.items()
        }
        self._versions = 0  # of policies, counted here: a learner that is started again may repeat
        self._server = LinkServer(options.schema(), options.run_id, self, self.get_logger().info)
        self.create_subscription(Weights, names.WEIGHTS, self._on_weights, qos.LATCHED, raw=True)
        self.create_subscription(
            LearnerStatus, names.LEARNER_STATUS, self._on_status, qos.STATUS, raw=True
        )
        self.create_subscription(Recorded, names.RECORDED, self._on_recorded, qos.LATCHED)
        self.create_subscription(
            DiagnosticArray, names.DIAGNOSTICS, self._on_diagnostics, qos.STATUS
        )
        file = expanded(options.excluded_file) if options.excluded_file else None
        self._excluded = ExcludedCells(file, self.get_logger().info)
        self.create_timer(STATUS_PERIOD, self._tell_cells)
        self._thread = self.guard(
            lambda: asyncio.run(self._server.serve(*address, tls, self.stop_event.is_set))
        )
        how = 'with keys' if tls else 'without encryption'
        self.get_logger().info(f'arms can connect at {address[0]}:{address[1]}, {how}')

    # -- from the learner ------------------------------------------------------------------------

    def _on_weights(self, data: bytes) -> None:
        if weights_run_id(data) != self.options.run_id:
            raise CellError('it is of another run')
        self._versions += 1
        self._server.set_policy(self._versions, bytes(data))

    def _on_status(self, data: bytes) -> None:
        self._server.set_status('learner', bytes(data))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        found = [
            status for each in message.status if (status := self._of_learner(each)) is not None
        ]
        if found:
            message.status = found
            self._server.set_status('diagnostics', serialize_message(message))

    def _of_learner(self, status: Any) -> Any:
        name = names.of_cell(self.get_namespace(), status.name)
        if not name.startswith('learner:'):
            return None
        status.name = name
        return status

    def _on_recorded(self, message: Recorded) -> None:
        if not _SESSION.fullmatch(message.session):
            raise CellError('its session is none')
        if message.run_id == self.options.run_id:
            on_disk: Mapping[str, int] = dict(zip(message.episode_id, message.index))
            self._server.set_on_disk(message.session, on_disk)

    def _tell_cells(self) -> None:
        excluded = self._excluded.read()
        self._server.set_excluded(excluded)
        odd, compared = self._server.odd, self._server.compared
        found = []
        for cell in sorted({*self._server.cells, *odd, *excluded}):
            why = 'excluded' if cell in excluded else odd.get(cell, '')
            values = {'connected': cell in self._server.cells, 'episodes': compared.get(cell, 0)}
            found.append(
                DiagnosticStatus(
                    level=DiagnosticStatus.WARN if why else DiagnosticStatus.OK,
                    name=f'link_server: cell {cell}',
                    message=why or 'like the others',
                    hardware_id=cell,
                    values=[KeyValue(key=key, value=str(each)) for key, each in values.items()],
                )
            )
        self.diagnose(*found)

    # -- from the cells, in the link's thread ----------------------------------------------------

    def ready(self, cell: str, session: str) -> bool:
        """Return whether this start of the learner receives what `deliver` publishes."""
        before, publisher = self._steps.get(cell, ('', None))
        if session != before:
            topic = names.LINKED_STEP.format(session=f's{session}')
            self._steps[cell] = (session, self.create_publisher(Step, topic, qos.STEPS))
            if publisher:
                self.destroy_publisher(publisher)
        return self._steps[cell][1].get_subscription_count() > 0

    def deliver(self, cell: str, data: bytes) -> None:
        """Publish a step of a cell."""
        self._steps[cell][1].publish(data)

    async def call(self, service: str, values: list[str | bool | int]) -> tuple[bool, str]:
        """Call a service of the learner; return success and message."""
        if service not in KINDS:
            raise CellError(f'there is no service {service[:60]}')
        client = self._learner_services[service]
        if not client.service_is_ready():
            raise CellError('the learner is not there; it is being started again')
        future = client.call_async(_request(KINDS[service], values))
        end = time.monotonic() + CALL_TIME
        while not future.done():
            if time.monotonic() > end:
                client.remove_pending_request(future)
                raise CellError(f'the learner did not answer within {CALL_TIME:g} s')
            await asyncio.sleep(0.02)
        answer: Any = future.result()
        return answer.success, answer.message

    def close(self) -> None:
        """End all connections."""
        self.stop_event.set()
        self._thread.join(2.0)


def _request(kind: Any, values: list[str | bool | int]) -> Any:
    """Return a request with these values; CellError if they are of another type."""
    request = kind.Request()
    fields = list(request.get_fields_and_field_types())
    if len(values) != len(fields):
        raise CellError(f'a request of {kind.__name__} has {len(fields)} values')
    for name, value in zip(fields, values):
        before = getattr(request, name)
        if isinstance(before, Time):
            if type(value) is not int or not 0 <= value < 1 << 62:
                raise CellError(f'{name} is no time')
            value = Time(sec=value // 10**9, nanosec=value % 10**9)
        elif type(value) is not type(before) or (isinstance(value, str) and len(value) > 500):
            raise CellError(f'{name} has a value of another type')
        setattr(request, name, value)
    return request
