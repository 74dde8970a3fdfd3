"""The protocol of an open page, with the real server."""

import asyncio
import time

import aiohttp
from console_support.served import STATE, NotedLeader, receive, served
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from hilserl_console.messages import MAX_SIZE, decode
from hilserl_console.page_session import IN_FLIGHT, MOST_ERRORS
from hilserl_console.server import MOST_PAGES
from so101_node.errors import CellError

AWAY = {'type': 'drive', 'axes': [1, 0, 0, 0]}


def test_a_key_is_pressed_and_an_unknown_one_is_named():
    async def use():
        async with served() as console, console.open() as socket:
            await socket.send_json({'type': 'key', 'key': 's'})
            await socket.send_json({'type': 'key', 'key': 'ä'})
            assert "no key 'ä'" in (await receive(socket, 'error'))['text']
            assert console.pressed == ['s', 'ä']
            console.server.say('mark success: ok')
            assert (await receive(socket, 'said'))['text'] == 'mark success: ok'

    asyncio.run(use())


@pytest.mark.parametrize(
    'text',
    [
        '',
        'x',
        '[]',
        '{"type":"shell","key":"s"}',
        '{"type":"key","key":["s"]}',
        '{"type":"key","key":"ssssssssss"}',
        '{"type":"key","key":"s","more":1}',
        '{"type":"drive","axes":[1e999,0,0,0]}',
        '{"type":"drive","axes":[NaN,0,0,0]}',
        '{"type":"drive","axes":[1.01,0,0,0]}',
        '{"type":"drive","axes":[0,0,0]}',
        '[' * 900,
    ],
)
def test_garbage_is_refused_in_a_sentence(text):
    with pytest.raises(CellError, match='not a message of the console'):
        decode(text)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.text(max_size=50) | st.binary(max_size=50))
def test_any_text_is_a_message_or_a_sentence(text):
    try:
        decode(text)
    except CellError:
        pass


def test_a_page_that_sends_garbage_is_closed_and_others_go_on():
    async def use():
        async with served() as console, console.open() as bad, console.open() as good:
            for _ in range(MOST_ERRORS):
                await bad.send_str('{')
            while not bad.closed:
                await bad.receive(3.0)
            assert bad.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION
            async with console.open() as large, console.open() as binary, console.open() as fast:
                await large.send_str('"' + 'x' * 2 * MAX_SIZE + '"')
                await binary.send_bytes(b'x')
                for _ in range(500):
                    await fast.send_str('{"type":"seen"}')
                for socket in (large, binary, fast):
                    while not socket.closed:
                        await socket.receive(3.0)
            await good.send_json({'type': 'key', 'key': 's'})
            console.server.publish('state', STATE)
            assert (await receive(good, 'state'))['mode'] == 'POLICY'
            assert console.pressed == ['s']

    asyncio.run(use())


def test_the_leader_is_released_when_the_hand_is_off_the_page_silent_or_gone():
    async def use():
        leader = NotedLeader()
        async with served(leader) as console:
            async with console.open() as socket:
                await socket.send_json(AWAY)
                await asyncio.sleep(0.05)
                await socket.send_json(AWAY | {'axes': [0, 0, 0, 0]})
                await asyncio.sleep(0.05)
                assert [axes for _, axes in leader.pushes] == [(1, 0, 0, 0), (0, 0, 0, 0)]
                leader.pushes.clear()
                since = time.monotonic()
                await socket.send_json(AWAY)  # and then nothing
                await asyncio.sleep(0.4)
                assert 0.1 < leader.released_after(since) < 0.25
                assert not console.lost
                await socket.send_json(AWAY)
                await asyncio.sleep(0.05)
                since = time.monotonic()
            await asyncio.sleep(0.2)
            assert leader.released_after(since) < 0.15
            assert console.lost == [1]

    asyncio.run(use())


def test_one_page_drives_and_another_must_wait():
    async def use():
        leader = NotedLeader()
        async with served(leader) as console, console.open() as one, console.open() as other:
            await one.send_json(AWAY)
            await asyncio.sleep(0.02)
            await other.send_json(AWAY | {'axes': [0, 1, 0, 0]})
            assert 'another page drives' in (await receive(other, 'error'))['text']
            assert {axes for _, axes in leader.pushes} == {(1, 0, 0, 0)}
            await one.send_json(AWAY | {'axes': [0, 0, 0, 0]})
            await asyncio.sleep(0.02)
            await other.send_json(AWAY | {'axes': [0, 1, 0, 0]})
            await asyncio.sleep(0.05)
            assert leader.pushes[-1][1] == (0, 1, 0, 0)

    asyncio.run(use())


def test_a_cell_that_cannot_be_driven_says_why():
    async def use():
        async with served() as console, console.open() as socket:
            await socket.send_json(AWAY)
            assert (await receive(socket, 'error'))['text'] == 'this cell cannot be driven'

    asyncio.run(use())


def test_a_slow_page_gets_fewer_images_and_the_others_do_not():
    async def use():
        async with served() as console, console.open() as slow, console.open() as fast:
            images = {slow: 0, fast: 0}

            async def look(socket, shows):
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.BINARY:
                        images[socket] += 1
                        assert message.data[:4] == b'\0\0\xff\xd8'
                        if shows:
                            await socket.send_json({'type': 'seen'})

            tasks = [asyncio.create_task(look(s, s is fast)) for s in (slow, fast)]
            for number in range(40):
                console.put_image(number)
                await asyncio.sleep(0.03)
            for task in tasks:
                task.cancel()
            return images[slow], images[fast]

    slow, fast = asyncio.run(use())
    assert slow == IN_FLIGHT
    assert 6 <= fast <= 13  # 1.2 s, at most ten a second


def test_pages_beyond_the_limit_are_refused():
    async def use():
        async with served() as console:
            sockets = [await console.open() for _ in range(MOST_PAGES)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await console.open()
            assert refused.value.status == 503
            console.server.publish('state', STATE)
            for socket in sockets:
                assert (await receive(socket, 'state'))['mode'] == 'POLICY'
            for socket in sockets[:-1]:
                await socket.close()
            await console.open()

    asyncio.run(use())


def test_the_server_says_which_address_it_cannot_use():
    async def use():
        async with served() as first:
            with pytest.raises(CellError, match='choose another console_port'):
                await first.server.serve('127.0.0.1', first.port, lambda: False)

    asyncio.run(use())
