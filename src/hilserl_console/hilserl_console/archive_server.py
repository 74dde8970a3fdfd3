"""Serves runs to browsers on this computer: `./cell console RUN`."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from aiohttp import web

from so101_node.errors import CellError

from .access import Access
from .archive import Archive, decode_label
from .static_files import add_files

_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class ArchiveServer:
    """The application for these runs."""

    def __init__(self, access: Access, runs: Sequence[Archive]):
        self._runs = runs
        self.app = web.Application(middlewares=[access.middleware], client_max_size=1 << 12)
        add_files(self.app, 'archive_page')
        self.app.router.add_get('/runs.json', self._list)
        self.app.router.add_get(
            r'/image/{run:\d{1,4}}/{episode:\d{1,6}}/{step:\d{1,6}}', self._image
        )
        self.app.router.add_get(r'/report/{run:\d{1,4}}', self._report)
        self.app.router.add_post('/label', self._label)

    async def _list(self, _: web.Request) -> web.Response:
        for run in self._runs:
            await asyncio.to_thread(run.read_new)
        return web.json_response([run.shown() for run in self._runs])

    async def _image(self, request: web.Request) -> web.Response:
        episode, step = (int(request.match_info[name]) for name in ('episode', 'step'))
        try:
            run = self._run(int(request.match_info['run']))
            data = await asyncio.to_thread(run.image, episode, step)
        except CellError as error:
            return web.Response(status=404, text=f'{error}\n')
        return web.Response(body=data, content_type='image/jpeg')

    async def _report(self, request: web.Request) -> web.StreamResponse:
        try:
            file = self._run(int(request.match_info['run'])).report
        except CellError as error:
            return web.Response(status=404, text=f'{error}\n')
        if file is None:
            return web.Response(status=404, text='./cell report RUN writes the report\n')
        answer = web.Response(body=file.read_bytes(), content_type='text/html', charset='utf-8')
        answer.headers['Content-Security-Policy'] = _REPORT_POLICY
        return answer

    async def _label(self, request: web.Request) -> web.Response:
        if request.content_type != 'application/json':
            return web.Response(status=415, text='a label is JSON\n')
        try:
            wanted = decode_label(await request.read())
            run = self._run(wanted.run)
            await asyncio.to_thread(partial(run.label, wanted))
        except CellError as error:
            return web.json_response({'error': str(error)}, status=400)
        return web.json_response(run.shown())

    def _run(self, number: int) -> Archive:
        if number >= len(self._runs):
            raise CellError(f'there is no run {number}; there are {len(self._runs)}')
        return self._runs[number]


async def serve(app: web.Application, host: str, port: int, ended: asyncio.Event) -> None:
    """Serve until `ended`."""
    runner: Any = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await ended.wait()
    finally:
        await runner.cleanup()
