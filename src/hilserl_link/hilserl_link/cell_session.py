"""One connection of a cell, on the learner's side."""

import asyncio
from collections.abc import Awaitable, Callable
import re
import time
from typing import Protocol

from aiohttp import WSMsgType, web

from hilserl_core.bags.cdr import step_from_cdr
from hilserl_core.contract.steps import problem
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError
from so101_node.refusals import short

from . import wire
from .client import end_now
from .delivery import Inbox
from .fleet import Fleet
from .policy_parts import PolicyPacker
from .step_codec import StepUnpacker

SILENCE = 5.0  # s without a message after which the connection counts as cut
ACK_PERIOD = 0.1  # s between two acknowledgements
BURST = 1000.0  # steps that are taken at any speed; the learner takes 2,000
PACE = 1.5  # times the task's rate that are taken later; the learner takes twice
MOST_WAITING = 1 << 26  # bytes of packed steps that wait while the learner is started again
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]{0,60}')


class Pace:
    """How fast steps of one cell are taken: slower than the learner's own limit for a flood."""

    def __init__(self, rate: float):
        self._rate, self._left, self._at = PACE * rate, BURST, time.monotonic()

    def allows(self) -> bool:
        """Count one step, if it may be taken now."""
        now = time.monotonic()
        self._left = min(BURST, self._left + self._rate * (now - self._at))
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Server(Protocol):
    """What a session needs of the server (server.py)."""

    schema: TaskSchema
    run_id: str
    session: str
    policy: tuple[int, bytes] | None
    fleet: Fleet
    excluded: frozenset[str]
    statuses: dict[str, bytes]
    status_number: int
    log: Callable[[str], object]

    def inbox(self, spool: str, cell: str) -> Inbox:
        """Return the inbox of a spool of a cell."""

    def pace(self, cell: str) -> Pace:
        """Return the pace of a cell."""

    def inform(self, inbox: Inbox, cell: str) -> bool:
        """Tell an inbox the newest of the learner; return whether it may take steps now."""

    def call(self, service: str, values: list[str | bool | int]) -> Awaitable[tuple[bool, str]]:
        """Call a service of the learner; CellError if there is none."""


class CellSession:
    """A cell that is connected. name: of its certificate, and what the cell calls itself."""

    def __init__(self, socket: web.WebSocketResponse, server: Server, name: str, remote: str):
        self._socket, self._server = socket, server
        self.name, self.remote = name, remote
        self._inbox: Inbox | None = None
        self._arrived_at = 0.0
        self._acked: wire.Ack | None = None
        self._refused_before = 0
        self._has_policy = -1  # version that the other side has received
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._unpacker = StepUnpacker()
        self._answers: set[asyncio.Task[None]] = set()
        self._waiting: asyncio.Queue[tuple[wire.Steps, float]] = asyncio.Queue()
        self._waiting_bytes = 0

    def end(self) -> None:
        """End the connection at once."""
        end_now(self._socket)

    async def greet(self, named: bool) -> bool:
        """Agree on the task; return whether the cell may take part. named: by its certificate."""
        hello = await self._receive()
        if not isinstance(hello, wire.Hello):
            raise CellError('it does not begin with a hello')
        # a computer with one key may have several cells
        self.name = '.'.join(filter(None, (self.name if named else '', hello.cell)))
        if not _NAME.fullmatch(self.name):
            raise CellError('its name is none: letters, digits, - _ and . only')
        if why := self._mismatch(hello):
            await self._send(wire.Refused(why))
            self._server.log(f'cell {self.name} is refused: {short(why, 1000)}')
            return False
        await self._send(wire.Welcome(self._server.run_id, self._server.session))
        begin = await self._receive()
        if not isinstance(begin, wire.Begin) or not 1 <= begin.first < 1 << 60:
            raise CellError('it does not say where its steps begin')
        self._inbox = self._server.inbox(begin.spool[:40], self.name)
        self._pace = self._server.pace(self.name)
        self._refused_before = self._inbox.refused
        await self._send(wire.Expect(self._inbox.begin(begin.first)))
        return True

    def _mismatch(self, hello: wire.Hello) -> str:
        if hello.version != wire.VERSION:
            return (
                f'this cell speaks version {hello.version} of the link, the learner '
                f'{wire.VERSION}; install the same version of the suite on both hosts'
            )
        if hello.task_hash == self._server.schema.hash:
            return ''
        theirs = TaskSchema.from_json(hello.task)
        lines = self._server.schema.differences(theirs)
        return (
            'learner and cell have different tasks (learner, then cell): '
            f'{"; ".join(lines) or "the hashes differ"}; start both with the same task options'
        )

    async def run(self) -> None:
        """Receive and send until the connection ends."""
        works = (
            *(self._read(), self._take_steps()),
            *(self._send_acks(), self._send_policies(), self._send_statuses()),
        )
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, *self._answers):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self) -> wire.FromArm:
        message = await self._socket.receive(SILENCE)
        if message.type is not WSMsgType.BINARY:
            raise ConnectionError('the connection ended')
        return wire.from_arm(message.data)

    async def _send(self, message: wire.FromLearner) -> None:
        await self._socket.send_bytes(wire.encode(message))

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if isinstance(message, wire.Steps):
                self._put(message)
            elif isinstance(message, wire.Ping):
                await self._send(wire.Pong(message.asked, time.monotonic(), time.time()))
            elif isinstance(message, wire.HavePolicy):
                self._has_policy = message.version
                self._has_room.set()
            elif isinstance(message, wire.Call):
                task = asyncio.create_task(self._answer(message))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)
            else:
                raise CellError(f'it sent {type(message).__name__} twice')

    def _put(self, message: wire.Steps) -> None:
        """Queue steps: pings are answered also while the learner takes none."""
        if not 0 < len(message.steps) <= wire.MAX_STEPS:
            raise CellError(f'it sent {len(message.steps)} steps in one message')
        self._waiting_bytes += sum(map(len, message.steps))
        if self._waiting_bytes > MOST_WAITING:
            raise CellError('it sends more steps than it may before they are recorded')
        self._waiting.put_nowait((message, time.monotonic()))

    async def _take_steps(self) -> None:
        while True:
            message, arrived = await self._waiting.get()
            await self._take(message, arrived)
            self._waiting_bytes -= sum(map(len, message.steps))

    async def _take(self, message: wire.Steps, arrived: float) -> None:
        assert self._inbox  # since greet
        for number, packed in enumerate(message.steps, message.number):
            while not (self._server.inform(self._inbox, self.name) and self._pace.allows()):
                await asyncio.sleep(0.05)  # the other side waits, and its steps are on its disk
            data = self._unpacker.unpack(packed)
            try:
                step = step_from_cdr(data)
                why = problem(step, self._server.schema)
                if not why and step.run_id != self._server.run_id:
                    why = f'it is of run {step.run_id!r}, not {self._server.run_id!r}'
                if why:
                    raise CellError(why)
                self._inbox.take(number, data, step.episode_id, step.index, arrived)
                wall = time.time() - (time.monotonic() - arrived)
                self._server.fleet.note(self.name, step, wall)
            except CellError as error:
                self._inbox.refuse(number, arrived)
                self._server.log(f'cell {self.name}: step refused: {short(error)}')
        self._arrived_at = arrived

    async def _answer(self, call: wire.Call) -> None:
        try:
            success, text = await self._server.call(call.service, call.values)
        except CellError as error:
            success, text = False, str(error)
        await self._send(wire.Answer(call.number, success, short(text, 1000)))

    async def _send_acks(self) -> None:
        assert self._inbox  # since greet
        while True:
            box = self._inbox
            found = wire.Ack(
                arrived=box.expected - 1,
                at=self._arrived_at,
                recorded=box.recorded,
                refused=box.refused - self._refused_before,
                excluded=self.name in self._server.excluded,
            )
            if found != self._acked:
                self._acked = found
                await self._send(found)
            await asyncio.sleep(ACK_PERIOD)

    async def _send_policies(self) -> None:
        sent, packer = -1, PolicyPacker()
        while True:
            await self._has_room.wait()
            newest = self._server.policy
            if newest is None or newest[0] == sent:
                await asyncio.sleep(ACK_PERIOD)
                continue
            sent = newest[0]
            self._has_room.clear()
            for part in await asyncio.to_thread(packer.parts_of, *newest):
                await self._send(part)

    async def _send_statuses(self) -> None:
        sent = -1
        while True:
            if self._server.status_number != sent:
                sent = self._server.status_number
                for kind, data in list(self._server.statuses.items()):
                    await self._send(wire.Status(kind, data))
            await asyncio.sleep(ACK_PERIOD)
