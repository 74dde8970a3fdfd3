"""A real Chromium without a window, steered through its DevTools protocol.

Debian: apt-get install chromium. Where there is none, the tests are skipped and say so.
"""

import asyncio
import base64
from contextlib import asynccontextmanager
import json
from pathlib import Path
import re
import shutil
import subprocess
import tempfile

import aiohttp
import pytest

PROGRAM = shutil.which('chromium') or shutil.which('chromium-browser')
needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason='there is no Chromium here: apt-get install chromium'
)
CODES = {' ': 'Space', 'ArrowLeft': 'ArrowLeft', 'ArrowUp': 'ArrowUp'}


class Tab:
    """One tab. errors: what its console and its scripts complained of."""

    def __init__(self, socket, process):
        self._socket, self.process = socket, process
        self._number, self.errors = 0, []

    async def call(self, method, **parameters):
        """Call a method of the protocol; return its result."""
        self._number += 1
        number = self._number
        await self._socket.send_json({'id': number, 'method': method, 'params': parameters})
        while True:
            message = json.loads((await self._socket.receive(20.0)).data)
            if message.get('method') == 'Runtime.exceptionThrown' or (
                message.get('method') == 'Log.entryAdded'
                and message['params']['entry']['level'] == 'error'
            ):
                self.errors.append(json.dumps(message['params'])[:500])
            if message.get('id') == number:
                assert 'error' not in message, message
                return message['result']

    async def evaluate(self, script):
        """Return the value of a JavaScript expression."""
        found = await self.call('Runtime.evaluate', expression=script, returnByValue=True)
        return found['result'].get('value')

    async def until(self, script, seconds=20.0):
        """Wait until a JavaScript expression is true."""
        async with asyncio.timeout(seconds):
            while not await self.evaluate(script):
                await asyncio.sleep(0.05)

    async def open(self, url):
        """Open a page."""
        await self.call('Runtime.enable')
        await self.call('Log.enable')
        await self.call('Page.enable')
        await self.call('Page.navigate', url=url)
        await self.until("document.readyState === 'complete'")

    async def key(self, kind, key):
        """Press a key (kind 'keyDown') or let it go ('keyUp')."""
        text = {'text': key} if kind == 'keyDown' and len(key) == 1 else {}
        code = CODES.get(key, f'Key{key.upper()}')
        await self.call('Input.dispatchKeyEvent', type=kind, key=key, code=code, **text)

    async def type(self, key):
        """Press a key and let it go."""
        await self.key('keyDown', key)
        await self.key('keyUp', key)

    async def click(self, selector):
        """Click the middle of an element."""
        where = await self.evaluate(
            f'(() => {{ const e = document.querySelector({json.dumps(selector)});'
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            'return [r.x + r.width / 2, r.y + r.height / 2] })()'
        )
        for kind in ('mousePressed', 'mouseReleased'):
            await self.call(
                'Input.dispatchMouseEvent',
                type=kind,
                x=where[0],
                y=where[1],
                button='left',
                clickCount=1,
            )

    async def show_as(self, width, height, dark=False):
        """Set the size of the window, px, and the colour scheme."""
        await self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        await self.call('Emulation.setEmulatedMedia', features=[scheme])

    async def screenshot(self, file: Path, whole=False):
        """Write a picture of the page, PNG; whole: beyond the window, too."""
        found = await self.call(
            'Page.captureScreenshot', format='png', captureBeyondViewport=whole
        )
        file.write_bytes(base64.b64decode(found['data']))


@asynccontextmanager
async def chromium():
    """Yield the Tab of a new Chromium."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                PROGRAM,
                '--headless=new',
                '--no-sandbox',  # root has none
                '--disable-gpu',
                '--disable-background-networking',
                '--remote-debugging-port=0',
                f'--user-data-dir={profile}',
                'about:blank',
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        try:
            address = await asyncio.to_thread(_address, process)
            async with aiohttp.ClientSession() as client:
                async with client.get(f'http://{address}/json') as answer:
                    tabs = [each for each in await answer.json() if each['type'] == 'page']
                async with client.ws_connect(
                    tabs[0]['webSocketDebuggerUrl'], max_msg_size=0
                ) as socket:
                    yield Tab(socket, process)
        finally:
            process.kill()
            process.wait()
            process.stderr.close()


def _address(process):
    for line in process.stderr:
        if found := re.search(r'ws://([^/]+)/', line):
            return found[1]
    raise AssertionError('Chromium did not start')
