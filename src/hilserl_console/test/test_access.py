"""Who gets in: who has the token, from the console's own page only."""

import asyncio

import aiohttp
from console_support.served import served
import pytest


def answers(requests):
    """Return the status of each request, (path, headers); path may hold {token} and {port}."""

    async def ask():
        async with served() as console:
            found = []
            for path, headers in requests:
                values = {'token': console.token, 'port': console.port}
                given = {name: text.format(**values) for name, text in headers.items()}
                url = console.address + path.format(**values)
                async with console.client.get(url, headers=given) as answer:
                    found.append(answer.status)
            return found

    return asyncio.run(ask())


def test_only_the_whole_link_opens_the_page():
    wrong = [('', {}), ('?token=', {}), ('?token={token}x', {}), ('?token=%00%FF', {})]
    cookie = {'Cookie': 'hilserl_console_{port}={token}'}
    others = {'Cookie': 'hilserl_console_1={token}'}
    assert answers([('?token={token}', {}), ('', cookie), ('main.js', cookie)]) == [200] * 3
    assert answers([*wrong, ('main.js', {}), ('ws', {}), ('', others)]) == [401] * 7


def test_a_page_of_another_site_is_refused_even_with_the_token():
    foreign = [
        {'Origin': 'http://evil.example'},
        {'Origin': 'null'},
        {'Origin': 'http://127.0.0.1:1'},
        {'Origin': 'https://127.0.0.1:{port}'},
        {'Host': 'evil.example:{port}'},  # a name that was given this computer's address
    ]
    own = {'Origin': 'http://127.0.0.1:{port}'}
    assert answers([('?token={token}', each) for each in foreign]) == [403] * 5
    assert answers([('?token={token}', own)]) == [200]


def test_a_websocket_needs_the_token_and_the_own_origin():
    async def statuses():
        found = []
        async with served() as console:
            for token, origin in (
                (console.token, 'http://evil.example'),
                ('', None),
                ('x' * 22, f'http://127.0.0.1:{console.port}'),
            ):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await console.client.ws_connect(
                        f'{console.address}ws?token={token}', origin=origin
                    )
                found.append(refused.value.status)
            async with console.open(origin=f'http://127.0.0.1:{console.port}') as socket:
                found.append((await socket.receive()).json()['type'])
        return found

    assert asyncio.run(statuses()) == [403, 401, 401, 'hello']


def test_no_other_file_is_served_and_the_answer_forbids_foreign_scripts():
    async def ask():
        async with served() as console:
            for path in ('../access.py', '%2e%2e/access.py', 'page/main.js', 'nothing'):
                url = f'{console.address}{path}?token={console.token}'
                async with console.client.get(url) as answer:
                    assert answer.status == 404, path
            async with console.client.get(console.link) as answer:
                assert "default-src 'none'" in answer.headers['Content-Security-Policy']
                assert answer.headers['Referrer-Policy'] == 'no-referrer'

    asyncio.run(ask())
