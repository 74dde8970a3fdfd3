"""The console's server: the page, its WebSocket, and the loop that feeds the open pages.

It runs in a thread with an asyncio loop of its own. Free of ROS.
"""

import asyncio
from collections.abc import Callable
import contextlib
import json
import time
from typing import Any

from aiohttp import WSCloseCode, web

from so101_node.errors import CellError

from .access import Access
from .driving import Driving
from .messages import MAX_SIZE
from .page_session import PageSession
from .pictures import KINDS, Pictures
from .static_files import add_files

MOST_PAGES = 64
TICK = 0.02  # s between two looks at what is new
IMAGE_PERIOD = 0.1  # s between two images of a camera on one page
IMAGES_PER_S = 80  # of all pages together: many pages get fewer each
TEXTS = ('state', 'pose')  # kinds of messages that only the newest counts of


class ConsoleServer:
    """Serves pages. press(key): does what a key does, returns False if there is none.

    hello(): returns what a page needs to begin. `publish` and `say` may be called by any thread.
    """

    def __init__(
        self,
        access: Access,
        pictures: Pictures,
        driving: Driving,
        hello: Callable[[], dict[str, Any]],
        press: Callable[[str], bool],
    ):
        self._pictures, self._driving = pictures, driving
        self._hello, self._press = hello, press
        self._pages: list[PageSession] = []
        self._texts: dict[str, str] = {}
        self._changed: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen: dict[str, int] = {}
        self.app = web.Application(middlewares=[access.middleware], client_max_size=1 << 16)
        add_files(self.app, 'page')
        self.app.router.add_get('/ws', self._socket)
        self.app.on_shutdown.append(self._close_pages)

    @property
    def pages(self) -> int:
        """Number of open pages."""
        return len(self._pages)

    def publish(self, kind: str, values: dict[str, Any]) -> None:
        """Send a message of one of TEXTS to each page."""
        self._texts[kind] = json.dumps({'type': kind} | values, separators=(',', ':'))
        self._changed.add(kind)

    def say(self, sentence: str) -> None:
        """Show a sentence on each page."""
        text = json.dumps({'type': 'said', 'text': sentence})
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._tell, text)

    async def serve(self, host: str, port: int, stopped: Callable[[], bool]) -> None:
        """Serve until `stopped()`; CellError if the address cannot be used."""
        self._loop = asyncio.get_running_loop()
        runner = web.AppRunner(
            self.app, access_log=None, handle_signals=False, shutdown_timeout=0.5
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise CellError(
                f'the console cannot use {host}:{port} ({error.strerror or error}); choose '
                'another console_port, or console:=false'
            ) from None
        feeding = asyncio.create_task(self._feed())
        try:
            while not stopped() and not feeding.done():
                await asyncio.sleep(TICK)
                self._driving.check(time.monotonic())
        finally:
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feeding
            await runner.cleanup()

    # -- pages ---------------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._pages) >= MOST_PAGES:
            return web.Response(
                status=503, text=f'{MOST_PAGES} pages are open already; close one\n'
            )
        socket = web.WebSocketResponse(max_msg_size=MAX_SIZE, heartbeat=10.0, compress=False)
        await socket.prepare(request)
        page = PageSession(socket, request, self)
        page.tell(json.dumps({'type': 'hello', 'kinds': KINDS} | self._hello()))
        for kind, text in self._texts.items():
            page.offer(kind, text)
        self._pages.append(page)
        try:
            await page.run()
        finally:
            self._pages.remove(page)
            self._driving.gone(page)
        return socket

    async def _close_pages(self, _: web.Application) -> None:
        for page in list(self._pages):
            await page.close(WSCloseCode.GOING_AWAY, 'the cell ended')

    def press(self, page: PageSession, key: str) -> None:
        """Do what a key does; CellError if there is no such key."""
        if not self._press(key):
            raise CellError(f'there is no key {key!r}')

    def drive(self, page: PageSession, axes: tuple[float, float, float, float]) -> None:
        """Move the leader; CellError if it cannot be driven."""
        self._driving.move(page, axes, time.monotonic())

    def _tell(self, text: str) -> None:
        for page in self._pages:
            page.tell(text)

    # -- what the pages get --------------------------------------------------------------------

    async def _feed(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            if not self._pages:
                continue
            for kind in TEXTS:
                if kind in self._changed:
                    self._changed.discard(kind)
                    for page in self._pages:
                        page.offer(kind, self._texts[kind])
            await self._feed_images()

    async def _feed_images(self) -> None:
        now = time.monotonic()
        period = max(IMAGE_PERIOD, len(self._pages) / IMAGES_PER_S)
        due = [page for page in self._pages if page.takes_images and now >= page.next_image]
        if not due:
            return
        new = False
        for number, camera in enumerate(self._pictures.cameras):
            count = self._pictures.counts[camera]
            if count == self._seen.get(camera):
                continue
            self._seen[camera], new = count, True
            encoded = await asyncio.to_thread(self._pictures.encode, camera)
            for kind, data in encoded.items():
                for page in due:
                    page.offer_image(bytes((number, KINDS.index(kind))), data)
        for page in due if new else ():
            page.next_image = now + period
