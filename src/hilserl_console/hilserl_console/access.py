"""Who may use the console: who has the token, from its own page only.

A page of another site that the browser has open can reach this computer's ports, too. Its requests
have its own `Origin`, or, if it gave its name this computer's address, another `Host`.
"""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler

COOKIE = 'hilserl_console_{port}'  # cookies of all ports of a host are sent to each of them
LOOPBACK = ('127.0.0.1', 'localhost', '[::1]')
_HEADERS = {
    'Content-Security-Policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; media-src 'self'; frame-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'"
    ),
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
}


class Access:
    """Checks each request. hosts: addresses that pages may name; (): any (it needs the token)."""

    def __init__(self, token: str, port: int, hosts: tuple[str, ...] = LOOPBACK):
        self._token = token.encode()
        self._cookie = COOKIE.format(port=port)
        self._hosts = {f'{host}:{port}' for host in hosts}

    def refusal(self, request: web.BaseRequest) -> web.Response | None:
        """Return the answer to a request that is refused; None: it is allowed."""
        if self._hosts and request.host not in self._hosts:
            return _refused(403, 'the address is not that of the printed link')
        origin = request.headers.get('Origin')
        if origin is not None and origin != f'{request.scheme}://{request.host}':
            return _refused(403, 'a page of another site asked for this')
        given = request.query.get('token') or request.cookies.get(self._cookie, '')
        if not hmac.compare_digest(given.encode(errors='replace'), self._token):
            return _refused(401, 'open the whole link that ./cell printed: it has the token')
        return None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse, or handle and let this browser in from now on."""
        answer: web.StreamResponse | None = self.refusal(request)
        if answer is None:
            answer = await handler(request)
        if not answer.prepared:
            for name, value in _HEADERS.items():
                answer.headers.setdefault(name, value)
            if answer.status < 400 and 'token' in request.query:
                answer.set_cookie(
                    self._cookie,
                    self._token.decode(),
                    path='/',
                    httponly=True,
                    samesite='Strict',
                )
        return answer


def _refused(status: int, sentence: str) -> web.Response:
    return web.Response(status=status, text=f'refused: {sentence}\n')
