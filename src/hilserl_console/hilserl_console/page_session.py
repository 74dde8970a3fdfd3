"""One open page: what it sends is checked and bounded, and it gets what it can take.

A page says when it has shown an image. Until then it gets no further one of that camera's, so a
slow page gets fewer images and the others do not wait.
"""

import asyncio
from collections import deque
import json
import time
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from so101_node.errors import CellError

from .messages import Drive, Key, Seen, Show, decode

IN_FLIGHT = 2  # images that a page may not have shown yet
SEND_TIME = 5.0  # s after which a page that takes nothing is closed
MOST_MESSAGES = 200  # a second from one page
MOST_ERRORS = 10  # messages that cannot be used


class Cell(Protocol):
    """What a page can do."""

    def press(self, page: 'PageSession', key: str) -> None:
        """Do what a key does; CellError if there is no such key."""

    def drive(self, page: 'PageSession', axes: tuple[float, float, float, float]) -> None:
        """Move the leader; CellError if it cannot be driven."""


class PageSession:
    """A WebSocket of a page. request: the one that it began with."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, cell: Cell):
        self._socket, self._request, self._cell = socket, request, cell
        self._texts: dict[str, str] = {}
        self._lines: deque[str] = deque(maxlen=20)
        self._images: dict[bytes, bytes] = {}  # head -> JPEG
        self._wake = asyncio.Event()
        self._in_flight = 0
        self.wants_images = True
        self.next_image = 0.0  # monotonic s
        self.images_sent = 0
        self._errors = 0
        self._times: deque[float] = deque(maxlen=MOST_MESSAGES)

    @property
    def takes_images(self) -> bool:
        """Whether the page has shown what it got."""
        return self.wants_images and self._in_flight < IN_FLIGHT and not self._images

    def offer(self, kind: str, text: str) -> None:
        """Send a message; one of the same kind that still waits is replaced."""
        self._texts[kind] = text
        self._wake.set()

    def tell(self, text: str) -> None:
        """Send a message that no other one replaces."""
        self._lines.append(text)
        self._wake.set()

    def offer_image(self, head: bytes, data: bytes) -> None:
        """Send an image. head: number of the camera and of the kind."""
        self._images[head] = data
        self._wake.set()

    async def run(self) -> None:
        """Serve the page until it is closed."""
        sender = asyncio.create_task(self._send_all())
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT or not self._is_slow_enough():
                    await self._refuse('only text messages, at most 200 a second, are read')
                    break
                if not self._receive(message.data):
                    await self._refuse(f'{MOST_ERRORS} messages could not be used')
                    break
        finally:
            sender.cancel()

    async def close(self, code: WSCloseCode, why: str) -> None:
        """Close the connection."""
        await self._socket.close(code=code, message=why.encode())

    async def _refuse(self, why: str) -> None:
        await self.close(WSCloseCode.POLICY_VIOLATION, why)

    def _is_slow_enough(self) -> bool:
        now = time.monotonic()
        too_fast = len(self._times) == MOST_MESSAGES and now - self._times[0] < 1.0
        self._times.append(now)
        return not too_fast

    def _receive(self, text: str) -> bool:
        """Do what a message asks for; return False after too many wrong ones."""
        try:
            message = decode(text)
        except CellError as error:
            self._errors += 1
            self.tell(error_text(str(error)))
            return self._errors < MOST_ERRORS
        try:
            match message:
                case Key(key):
                    self._cell.press(self, key)
                case Drive(axes):
                    self._cell.drive(self, axes)
                case Seen():
                    self._in_flight = max(0, self._in_flight - 1)
                case Show(images):
                    self.wants_images = images
        except CellError as error:
            self.offer('error', error_text(str(error)))
        return True

    async def _send_all(self) -> None:
        """Send what waits, texts first."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._lines or self._texts or self._images:
                    async with asyncio.timeout(SEND_TIME):
                        await self._send_one()
        except (TimeoutError, ConnectionError):
            if self._request.transport is not None:
                self._request.transport.abort()

    async def _send_one(self) -> None:
        if self._lines:
            await self._socket.send_str(self._lines.popleft())
        elif self._texts:
            await self._socket.send_str(self._texts.pop(next(iter(self._texts))))
        else:
            head = next(iter(self._images))
            self._in_flight += 1
            self.images_sent += 1
            await self._socket.send_bytes(head + self._images.pop(head))


def error_text(sentence: str) -> str:
    """Return the message that shows a sentence as an error."""
    return json.dumps({'type': 'error', 'text': sentence})
