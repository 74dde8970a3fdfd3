"""The arm's side of the link: connects, sends what waits, receives policies. Free of ROS.

A WebSocket over TLS 1.3 (aiohttp, OpenSSL). The arm's side connects, so it works through NAT.
After a cut it connects again, for ever; the cell goes on meanwhile.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
import contextlib
import itertools
from socket import SHUT_RDWR
import ssl
import time
from typing import Protocol

import aiohttp
from aiohttp import web

from so101_node.errors import CellError

from . import wire
from .clocks import ClockDifference
from .delivery import Outbox
from .policy_parts import PolicyParts
from .spools import Spools
from .step_codec import StepPacker
from .traffic import Traffic

PING_PERIOD = 0.5  # s
SILENCE = 5.0  # s without a message after which the connection counts as cut
CONNECT_TIME = 5.0  # s that a connection may take
PAUSES = (0.2, 0.5, 1.0, 2.0)  # s between attempts to connect
CALL_TIME = 8.0  # s to wait for the answer of a service


def end_now(socket: aiohttp.ClientWebSocketResponse | web.WebSocketResponse) -> None:
    """End a connection without waiting for what cannot be sent any more."""
    # AttributeError: asyncio's TLS transport has none any more once it was closed (Python 3.11)
    with contextlib.suppress(OSError, AttributeError):
        if (found := socket.get_extra_info('socket')) is not None:
            found.shutdown(SHUT_RDWR)


class LinkRefused(CellError):
    """The learner's side does not accept this cell; another attempt would not help."""


class Receiver(Protocol):
    """What gets the messages of the learner's side, in the link's thread."""

    def on_policy(self, version: int, message: bytes) -> None:
        """Take a serialised Weights message."""

    def on_status(self, kind: str, data: bytes) -> None:
        """Take a serialised LearnerStatus or DiagnosticArray."""


class LinkClient:
    """The connection to one learner. `wake` and `call` may be called by any thread."""

    def __init__(
        self,
        address: tuple[str, int],
        tls: ssl.SSLContext | None,
        hello: wire.Hello,
        spools: Spools,
        receiver: Receiver,
        log: Callable[[str], object],
    ):
        host, port = address
        scheme = 'wss' if tls else 'ws'
        self.url = f'{scheme}://{f"[{host}]" if ":" in host else host}:{port}/link'
        self._tls, self._hello, self._spools = tls, hello, spools
        self._receiver, self._log = receiver, log
        self.connected, self.run_id = False, ''
        self.problem = ''  # why there is no connection
        self.heard_at = time.monotonic()
        self.clocks, self.traffic = ClockDifference(), Traffic(self.heard_at)
        self.recorded = self.refused = 0  # steps since the start
        self.excluded = False  # the learner's side takes no steps of this cell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._outgoing: asyncio.Queue[wire.FromArm] = asyncio.Queue()
        self._calls: dict[int, Future[wire.Answer]] = {}
        self._numbers = itertools.count(1)
        self._session = ''

    # -- from other threads ----------------------------------------------------------------------

    def wake(self) -> None:
        """Tell that a step was put into a spool."""
        if self._loop:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake.set)

    def call(self, service: str, values: list[str | bool | int]) -> wire.Answer:
        """Call a service of the learner, after all steps that wait now; returns its answer."""
        number, answer = next(self._numbers), Future[wire.Answer]()
        if not self.connected or not self._loop:
            return wire.Answer(number, False, f'not done: {self.problem or "no connection"}')
        self._calls[number] = answer
        message = wire.Call(number, service, values)
        asyncio.run_coroutine_threadsafe(self._send_call(message), self._loop)
        try:
            return answer.result(CALL_TIME)
        except TimeoutError:
            return wire.Answer(
                number, False, f'no answer of the learner within {CALL_TIME:g} s; look at its log'
            )
        finally:
            self._calls.pop(number, None)

    async def _send_call(self, message: wire.Call) -> None:
        """Send it when the learner has the steps that it may be about."""
        spool = self._spools.of(self.run_id)
        last, end = spool.next - 1, time.monotonic() + CALL_TIME / 2
        while spool.first <= last and time.monotonic() < end:
            await asyncio.sleep(0.05)
        self._outgoing.put_nowait(message)
        self._wake.set()

    # -- the link's thread -----------------------------------------------------------------------

    async def run(self, stopped: Callable[[], bool]) -> None:
        """Keep a connection until `stopped()`; LinkRefused if the learner's side refuses it."""
        self._loop = asyncio.get_running_loop()
        pauses = itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))
        while not stopped():
            was_connected = False
            task = asyncio.create_task(self._connect())
            while not task.done() and not stopped():
                await asyncio.wait({task}, timeout=0.1)
            if not task.done():
                task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                break
            except LinkRefused:
                raise
            except (aiohttp.ClientError, TimeoutError, OSError, CellError) as error:
                was_connected = self._lost(error)
            if was_connected:  # the next attempt is soon again
                pauses = itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))
            end = time.monotonic() + next(pauses)
            while time.monotonic() < end and not stopped():
                await asyncio.sleep(0.05)
        self.connected = False

    def _lost(self, error: Exception) -> bool:
        """Note why there is no connection; return whether there was one."""
        was, self.connected = self.connected, False
        reason = 'no answer' if isinstance(error, TimeoutError) else str(error)[:200]
        self.problem = f'no connection to the learner at {self.url}: {reason}'
        if was:
            self._log(f'{self.problem}; the arm goes on with its last policy')
        return was

    async def _connect(self) -> None:
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(
            total=None, connect=CONNECT_TIME, sock_connect=CONNECT_TIME
        )
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.timeout(2 * CONNECT_TIME) as limit,
            session.ws_connect(
                self.url,
                ssl=self._tls or True,
                max_msg_size=wire.MAX_SIZE,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.2),
            ) as socket,
        ):
            await self._greet(socket)
            limit.reschedule(None)
            await self._converse(socket)

    async def _greet(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._note_sent(await self._send(socket, self._hello))
        answer = await self._receive(socket)
        if isinstance(answer, wire.Refused):
            raise LinkRefused(answer.sentence[:2000])
        if not isinstance(answer, wire.Welcome):
            raise CellError('the learner does not begin with a welcome')
        if answer.session != self._session:
            self._session = answer.session
            self.clocks.clear()
        spool = self._spools.of(answer.run_id)
        await self._send(socket, wire.Begin(spool.id, spool.first))
        expect = await self._receive(socket)
        if not isinstance(expect, wire.Expect):
            raise CellError('the learner does not say which step it expects')
        self._outbox, self._packer = Outbox(spool, expect.number), StepPacker()
        self._refused_before = self.refused
        self._outgoing = asyncio.Queue()
        self._policy = PolicyParts()
        self.run_id, self.connected, self.problem = answer.run_id, True, ''
        waiting = f'; {len(spool)} steps wait' if len(spool) else ''
        others = self._spools.of_other_runs(self.run_id)
        others_text = f'; {others} steps of other runs wait for their learners' if others else ''
        self._log(f'connected to the learner at {self.url}{waiting}{others_text}')

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Send and receive until one of both ends."""
        tasks = [
            asyncio.create_task(work)
            for work in (self._read(socket), self._write(socket), self._ping())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            end_now(socket)

    async def _ping(self) -> None:
        while True:
            self._outgoing.put_nowait(wire.Ping(time.monotonic()))
            self._wake.set()
            await asyncio.sleep(PING_PERIOD)

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            while not self._outgoing.empty():
                message = self._outgoing.get_nowait()
                if isinstance(message, wire.Ping):  # it must not age in the queue
                    message = wire.Ping(time.monotonic())
                self._note_sent(await self._send(socket, message))
            if steps := self._outbox.next():
                packed = [self._packer.pack(step.data) for step in steps]
                sent = await self._send(socket, wire.Steps(steps[0].number, packed))
                self._note_sent(sent)
                continue
            self._wake.clear()
            if self._outgoing.empty():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), PING_PERIOD)

    def _note_sent(self, size: int) -> None:
        self.traffic.note('sent', size, time.monotonic())

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, message: wire.FromArm) -> int:
        data = wire.encode(message)
        await socket.send_bytes(data)
        return len(data)

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> wire.FromLearner:
        message = await socket.receive(SILENCE)
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise CellError('the learner closed the connection')
        now = self.heard_at = time.monotonic()
        self.traffic.note('received', len(message.data), now)
        return wire.from_learner(message.data)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await self._receive(socket)
            if isinstance(message, wire.Ack):
                self._on_ack(message)
            elif isinstance(message, wire.Pong):
                now = time.monotonic()
                self.clocks.add(message.asked, message.steady, now, message.wall, time.time())
            elif isinstance(message, wire.Policy):
                if (whole := self._policy.add(message)) is not None:
                    self._receiver.on_policy(message.version, whole)
                    self._outgoing.put_nowait(wire.HavePolicy(message.version))
                    self._wake.set()
            elif isinstance(message, wire.Status):
                self._receiver.on_status(message.kind, message.data)
            elif isinstance(message, wire.Answer):
                if message.number in self._calls:
                    self._calls[message.number].set_result(message)
            else:
                raise CellError(f'the learner sent {type(message).__name__} unasked')

    def _on_ack(self, ack: wire.Ack) -> None:
        spool = self._outbox.spool
        stored = spool.stored_at(ack.arrived)
        steady = self.clocks.best.steady
        if stored is not None and steady == steady:  # not NaN
            self.traffic.note_delay(max(0.0, ack.at - steady - stored))
        self.refused, self.excluded = self._refused_before + ack.refused, ack.excluded
        if gone := spool.forget(ack.recorded):
            self.recorded += gone
            self._wake.set()  # the window has room
