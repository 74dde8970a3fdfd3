"""The learner's side of the link: accepts cells, takes their steps, sends policies. Free of ROS.

A WebSocket server over TLS 1.3 (aiohttp, OpenSSL) with one loop in a thread of its own. Cells join
and leave at any time. Nothing of a cell is believed: sizes, rates and contents are checked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
import contextlib
import secrets
import ssl
import time
from typing import Any, Protocol

from aiohttp import web

from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError
from so101_node.refusals import short

from . import wire
from .cell_session import CellSession, Pace
from .delivery import Inbox
from .fleet import Fleet

MOST_CELLS = 32
MOST_SPOOLS = 256  # whose numbers are remembered
SILENCE = 5.0  # s without a word of the learner after which it takes no steps
PERIOD = 0.1  # s between two looks at what is new
COMPARISON = 5.0  # s between two comparisons of the cells
ROUTE = '/link'


class Learner(Protocol):
    """What the server needs of the learner, in the link's thread."""

    def ready(self, cell: str, session: str) -> bool:
        """Return whether steps of a cell reach this start of the learner from now on."""

    def deliver(self, cell: str, data: bytes) -> None:
        """Give a serialised step to the start of the learner that was ready last."""

    def call(self, service: str, values: list[str | bool | int]) -> Awaitable[tuple[bool, str]]:
        """Call a service of the learner; CellError if there is none."""


class LinkServer:
    """Serves cells. schema, run_id: of the learner. Its other threads call the `set_` methods."""

    def __init__(
        self,
        schema: TaskSchema,
        run_id: str,
        learner: Learner,
        log: Callable[[str], object],
    ):
        self.schema, self.run_id, self.learner, self.log = schema, run_id, learner, log
        self.session = secrets.token_hex(4)
        self.policy: tuple[int, bytes] | None = None  # version, serialised message
        self.statuses: dict[str, bytes] = {}
        self.status_number = 0
        self.fleet = Fleet(schema)
        self.excluded: frozenset[str] = frozenset()  # cells whose steps are not taken
        # of cells: what differs from the others, if something does; how many episodes are compared
        self.odd: Mapping[str, str] = {}
        self.compared: Mapping[str, int] = {}
        self._on_disk: tuple[str, Mapping[str, int], float] | None = None
        self._paces: dict[str, Pace] = {}
        self.cells: dict[str, CellSession] = {}
        self._inboxes: dict[tuple[str, str], Inbox] = {}  # by cell and spool

    # -- from other threads ----------------------------------------------------------------------

    def set_policy(self, version: int, message: bytes) -> None:
        """Send a serialised Weights message to each cell, in place of an older one."""
        self.policy = (version, message)

    def set_status(self, kind: str, data: bytes) -> None:
        """Send a serialised status to each cell."""
        self.statuses[kind] = data
        self.status_number += 1

    def set_excluded(self, cells: frozenset[str]) -> None:
        """Take no steps of these cells until they are not among them any more."""
        self.excluded = cells

    def set_on_disk(self, learner: str, on_disk: Mapping[str, int]) -> None:
        """Note what the learner has on disk, by episode. learner: its session."""
        self._on_disk = (learner, on_disk, time.monotonic())

    # -- the link's thread -----------------------------------------------------------------------

    def call(self, service: str, values: list[str | bool | int]) -> Awaitable[tuple[bool, str]]:
        """Call a service of the learner; CellError if there is none."""
        return self.learner.call(service, values)

    def inform(self, inbox: Inbox, cell: str) -> bool:
        """Tell an inbox the newest of the learner; return whether it may take steps now.

        A learner that was started again gets first what it has lost, then new steps.
        """
        news = self._on_disk
        if cell in self.excluded or news is None or not self.learner.ready(cell, news[0]):
            return False
        inbox.note_on_disk(*news)
        return time.monotonic() - news[2] < SILENCE

    def pace(self, cell: str) -> Pace:
        """Return the pace of a cell, which a new connection does not change."""
        while len(self._paces) >= MOST_SPOOLS and cell not in self._paces:
            del self._paces[next(iter(self._paces))]
        return self._paces.setdefault(cell, Pace(self.schema.rate))

    def inbox(self, spool: str, cell: str) -> Inbox:
        """Return the inbox of a spool of a cell."""
        key = (cell, spool)
        while len(self._inboxes) >= MOST_SPOOLS and key not in self._inboxes:
            del self._inboxes[next(iter(self._inboxes))]
        if key not in self._inboxes:
            self._inboxes[key] = Inbox(lambda data: self.learner.deliver(cell, data))
        return self._inboxes[key]

    async def serve(
        self, host: str, port: int, tls: ssl.SSLContext | None, stopped: Callable[[], bool]
    ) -> None:
        """Serve until `stopped()`; CellError if the address cannot be used."""
        app = web.Application(client_max_size=1024)
        app.router.add_get(ROUTE, self._accept)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
        except OSError as error:
            raise CellError(
                f'the link cannot listen at {host}:{port} ({error.strerror or error}); choose '
                'another port: listen:=HOST:PORT'
            ) from None
        due = 0.0
        try:
            while not stopped():
                await asyncio.sleep(PERIOD)
                for (cell, _), inbox in self._inboxes.items():
                    if self.inform(inbox, cell):
                        inbox.check(time.monotonic())
                if time.monotonic() >= due:
                    due = time.monotonic() + COMPARISON
                    self._compare()
        finally:
            for connected in list(self.cells.values()):
                connected.end()
            await runner.cleanup()

    def _compare(self) -> None:
        odd = self.fleet.odd(self.excluded)
        for cell in sorted(odd.keys() - self.odd.keys()):
            self.log(
                f'cell {cell} differs from the others: {odd[cell]}; look at its calibration, '
                'cameras and clock, or exclude it'
            )
        for cell in sorted(self.odd.keys() - odd.keys()):
            self.log(f'cell {cell} is like the others again')
        self.odd, self.compared = odd, self.fleet.episodes()

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        if len(self.cells) >= MOST_CELLS:
            return web.Response(status=503, text=f'{MOST_CELLS} cells are connected already\n')
        socket = web.WebSocketResponse(
            max_msg_size=wire.MAX_SIZE, compress=False, timeout=0.2, autoping=True
        )
        await socket.prepare(request)
        name, cell = certificate_name(request), None
        try:
            cell = CellSession(socket, self, name or 'unknown', str(request.remote))
            hello = await cell.greet(named=bool(name))
            if hello:
                self._replace(cell)
                self.log(f'cell {cell.name} joined from {cell.remote}')
                await cell.run()
        except (CellError, TimeoutError, ConnectionError) as error:
            reason = 'no message came' if isinstance(error, TimeoutError) else str(error)
            self.log(f'cell {short(cell.name if cell else name, 40)}: {short(reason)}')
        finally:
            if cell and self.cells.get(cell.name) is cell:
                del self.cells[cell.name]
                self.log(f'cell {cell.name} left')
            if cell:
                cell.end()
        return socket

    def _replace(self, cell: CellSession) -> None:
        """The newest connection of a cell counts: the one before may not know that it was cut."""
        if older := self.cells.get(cell.name):
            older.end()
        self.cells[cell.name] = cell


def certificate_name(request: web.Request) -> str:
    """Return the name in the certificate of the other side; '' without TLS."""
    certificate: Any = request.transport and request.transport.get_extra_info('peercert')
    with contextlib.suppress(KeyError, TypeError, ValueError):
        for part in certificate['subject']:
            for key, value in part:
                if key == 'commonName':
                    return str(value)
    return ''
