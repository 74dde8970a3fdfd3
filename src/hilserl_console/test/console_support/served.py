"""The real server on a free port, with a leader that notes when it is pushed and released."""

import asyncio
from contextlib import asynccontextmanager
import threading
import time

import aiohttp
import numpy as np

from hilserl_actor.bringup.console_link import make_link, port_and_token
from hilserl_console.access import Access
from hilserl_console.driving import Driving
from hilserl_console.pictures import Pictures
from hilserl_console.server import ConsoleServer
from so101_node.cdr import image_to_cdr

HOST = '127.0.0.1'
STATE = {'mode': 'POLICY', 'text': 'the policy drives', 'warnings': [], 'log': [], 'servos': {}}


class NotedLeader:
    """Notes each push with its time."""

    def __init__(self):
        self.pushes = []

    def push(self, direction, seconds):
        self.pushes.append((time.monotonic(), tuple(direction)))

    def released_after(self, since):
        """Return after how long the leader was released, s."""
        return next(at for at, axes in self.pushes if at >= since and not any(axes)) - since


class Served:
    """A server that runs in the test's loop. client: an aiohttp session without cookies."""

    def __init__(self, leader):
        self.link = make_link.__wrapped__(HOST, 0)
        self.port, self.token = port_and_token(self.link)
        self.address = f'http://{HOST}:{self.port}/'
        self.leader, self.pressed, self.lost = leader, [], []
        self.pictures = Pictures()
        self.pictures.add_camera('wrist_camera')
        driving = Driving(leader, 'this cell cannot be driven', lambda: self.lost.append(1))
        self.server = ConsoleServer(
            Access(self.token, self.port), self.pictures, driving, self._hello, self._press
        )

    def _hello(self):
        return {'keys': [], 'drive': {}, 'no_driving': '', 'cameras': [], 'model': {}}

    def _press(self, key):
        self.pressed.append(key)
        return key in ('s', 'x')

    def put_image(self, number=0):
        """Take an image, as a camera sends it."""
        image = np.full((240, 320, 3), number % 255, np.uint8)
        self.pictures.put('wrist_camera', image_to_cdr(number, 'camera', image))

    def open(self, **options):
        """Open a page's WebSocket."""
        return self.client.ws_connect(f'{self.address}ws?token={self.token}', **options)


@asynccontextmanager
async def served(leader=None):
    """Yield a Served."""
    it = Served(leader)
    stop = threading.Event()
    task = asyncio.create_task(it.server.serve(HOST, it.port, stop.is_set))
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as it.client:
        try:
            await asyncio.sleep(0.05)
            yield it
        finally:
            stop.set()
            await task


async def receive(socket, kind):
    """Return the next message of this type."""
    async with asyncio.timeout(3.0):
        while True:
            message = await socket.receive()
            assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
            if message.type is aiohttp.WSMsgType.TEXT and message.json()['type'] == kind:
                return message.json()
