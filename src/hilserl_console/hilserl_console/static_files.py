"""The files of a page, which are part of this package and the only ones that are served."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
import mimetypes

from aiohttp import web

SCRIPT = 'text/javascript'


def add_files(app: web.Application, directory: str) -> None:
    """Add each file of a directory of this package to an application; index.html is `/`."""
    for file in files(__package__).joinpath(directory).iterdir():
        kind = SCRIPT if file.name.endswith('.js') else mimetypes.guess_type(file.name)[0]
        name = '' if file.name == 'index.html' else file.name
        app.router.add_get(f'/{name}', _answer(file.read_bytes(), kind or 'text/plain'))


def _answer(data: bytes, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=data, content_type=kind, charset='utf-8')

    return answer
