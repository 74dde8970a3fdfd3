"""The page in a real Chromium, with the real server and a leader that notes what it is told."""

import asyncio
import time

from console_support.chromium import chromium, needs_chromium
from console_support.served import STATE, NotedLeader, served
import numpy as np
import pytest

from hilserl_actor.options import KEYS
from hilserl_console.arm_model import arm_model
from hilserl_console.guide import PARTS, guide
from hilserl_console.view import drive_keys, keys_of
from hilserl_core.contract.tasks import make_task

pytestmark = [pytest.mark.slow, needs_chromium]
SMALL = np.zeros((30, 40, 3), np.uint8)
SHOWN = STATE | {
    'driver': 'policy',
    'why': 'waiting for <b>you</b>',
    'colour': 'cyan',
    'gone': False,
    'main': ['i', 's'],
    'rows': [['sigma', '0.10']],
}


def hello():
    return {
        'cell': '',
        'keys': keys_of(KEYS, True),
        'drive': drive_keys(),
        'no_driving': '',
        'cameras': ['wrist_camera', 'front_camera'],
        'model': arm_model(),
    }


def use(body, leader=None):
    """Run body(console, tab) with the page open."""

    async def run():
        async with served(leader) as console, chromium() as tab:
            console.server._hello = hello
            await tab.open(console.link)
            await tab.until("document.querySelectorAll('#buttons button').length > 10")
            console.server.publish('state', SHOWN)
            await tab.until("document.querySelector('#mode').textContent === 'POLICY'")
            await body(console, tab)
            assert not tab.errors

    asyncio.run(run())


def test_the_page_shows_the_cell_and_its_buttons_and_keys_do_the_same():
    async def body(console, tab):
        assert await tab.evaluate("document.querySelector('#why').textContent") == SHOWN['why']
        console.put_image(1)
        await tab.until("document.querySelector('.live').width === 320")
        console.server.publish('pose', {'follower': [0.1] * 6, 'reference': [0.2] * 6})
        await tab.until(
            "document.querySelector('#arm').getContext('2d').getImageData(0, 0, 640, 440).data"
            '.some((value, i) => i % 4 === 0 && value > 240)'
        )
        for action in (
            tab.type('s'),
            tab.click('#main button'),
            tab.click('#stop'),
            tab.type('x'),
            tab.type(' '),
        ):
            await action
        await asyncio.sleep(0.3)
        assert console.pressed == ['s', 'i', 'x', 'x', ' ']
        console.server.say('mark success: ok')
        await tab.until("document.querySelector('#said').textContent === 'mark success: ok'")

    use(body)


def test_every_control_has_a_name_and_nothing_is_wider_than_a_phone():
    async def body(console, tab):
        nameless = (
            "[...document.querySelectorAll('button, canvas')].filter(e =>"
            "!(e.textContent.trim() || e.getAttribute('aria-label'))).length"
        )
        assert await tab.evaluate(nameless) == 0
        for width, height, dark in ((390, 844, False), (390, 844, True), (1400, 900, True)):
            await tab.show_as(width, height, dark)
            assert await tab.evaluate('document.documentElement.scrollWidth') <= width
            assert (
                await tab.evaluate("document.querySelector('#stop').getBoundingClientRect().y")
                < height
            )
        size = "parseFloat(getComputedStyle(document.querySelector('#mode')).fontSize)"
        assert await tab.evaluate(size) > 60  # px: readable from two metres

    use(body)


def test_a_held_key_drives_and_a_released_key_or_a_dead_browser_does_not():
    leader = NotedLeader()

    async def body(console, tab):
        await tab.key('keyDown', 'ArrowLeft')
        await asyncio.sleep(0.5)
        moves = [axes for _, axes in leader.pushes]
        assert len(moves) >= 5 and set(moves) == {(0, 1, 0, 0)}
        since = time.monotonic()
        await tab.key('keyUp', 'ArrowLeft')
        await asyncio.sleep(0.4)
        assert leader.released_after(since) < 0.2
        assert not console.lost
        await tab.key('keyDown', 'ArrowUp')
        await asyncio.sleep(0.2)
        since = time.monotonic()
        tab.process.kill()
        await asyncio.sleep(0.5)
        assert leader.released_after(since) < 0.25
        assert leader.pushes[-1][1] == (0, 0, 0, 0)

    use(body, leader)


def test_a_first_session_is_led_on_the_page():
    async def body(console, tab):
        hidden = "document.querySelector('#guide').hidden"
        assert await tab.evaluate(hidden) is True
        state = SHOWN | {'role': 'record', 'mode': 'READY', 'wanted': 10, 'episodes': 4}
        told = guide((1, 3), KEYS, state, 'bring the tool to the cube')
        console.server.publish('state', state | {'guide': told})
        await tab.until(f'!{hidden}')
        shown = await tab.evaluate("document.querySelector('#guide').innerText")
        assert told['now'] in shown and '4 of 10 episodes' in shown
        now = "document.querySelector('#guide li[aria-current=step]').textContent"
        assert await tab.evaluate(now) == PARTS[0]
        for width in (390, 1400):
            await tab.show_as(width, 900)
            assert await tab.evaluate('document.documentElement.scrollWidth') <= width

    use(body)


GAMEPAD = """(axes, buttons) => { navigator.getGamepads = () => [{
  connected: true, mapping: 'standard', axes,
  buttons: Array.from({length: 17}, (_, i) => ({value: buttons[i] ?? 0, pressed: !!buttons[i]})),
}]; }"""


async def reaches(leader, axes):
    """Wait until the leader is pushed so; all 0: released."""
    async with asyncio.timeout(20.0):
        while not leader.pushes or leader.pushes[-1][1] != axes:
            await asyncio.sleep(0.02)


def test_a_gamepad_drives_and_its_buttons_are_keys_once_for_each_press():
    leader = NotedLeader()

    async def body(console, tab):
        await tab.call('Emulation.setFocusEmulationEnabled', enabled=True)
        await tab.evaluate(f'({GAMEPAD})([0.5, -1.0, 0.1, 0.0], {{7: 0.25}})')
        await reaches(leader, (1, -0.5, 0, 0.25))  # away, right; 0.1 is within the dead zone
        await tab.evaluate(f'({GAMEPAD})([0, 0, 0, 0], {{2: 1}})')
        await reaches(leader, (0, 0, 0, 0))
        await tab.evaluate(f'({GAMEPAD})([0, 0, 0, -1.0], {{2: 1}})')
        await reaches(leader, (0, 0, 1, 0))
        assert console.pressed == ['s']  # once, although it is still held
        await tab.evaluate('navigator.getGamepads = () => [null]')  # it is pulled out
        await reaches(leader, (0, 0, 0, 0))
        assert console.pressed == ['s']

    use(body, leader)


def test_fingers_on_two_buttons_drive_and_each_ends_its_own_motion():
    leader = NotedLeader()

    async def body(console, tab):
        await tab.show_as(390, 844)
        await tab.call('Emulation.setTouchEmulationEnabled', enabled=True, maxTouchPoints=5)
        await tab.evaluate("document.querySelector('#pad').scrollIntoView({block: 'center'})")

        async def finger(number, key):
            x, y = await tab.evaluate(
                f"""(() => {{ const r = document.querySelector('#pad [data-key="{key}"]')
                .getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()"""
            )
            return {'x': x, 'y': y, 'id': number}

        async def touch(kind, *points):
            await tab.call('Input.dispatchTouchEvent', type=kind, touchPoints=list(points))

        up, left = await finger(1, 'up'), await finger(2, 'left')
        await touch('touchStart', up)
        await reaches(leader, (1, 0, 0, 0))
        await touch('touchStart', up, left)
        await reaches(leader, (1, 1, 0, 0))
        await touch('touchEnd', left)  # the protocol ends the touches that it is given
        await reaches(leader, (1, 0, 0, 0))
        await touch('touchEnd')
        await reaches(leader, (0, 0, 0, 0))

    use(body, leader)


def test_each_camera_has_its_image_and_only_that_of_the_task_what_the_policy_sees():
    async def body(console, tab):
        console.pictures.add_camera('front_camera', lambda message: (0, SMALL))
        state = SHOWN | {'crops': {'wrist_camera': [0.1, 0.1, 0.5, 0.5]}}
        console.server.publish('state', state)
        console.pictures.put('front_camera', b'compressed')
        console.put_image(1)
        shown = "[...document.querySelectorAll('#cameras figure')].map(f => f.hidden ? 0 : "
        shown += "f.querySelector('canvas').width)"
        await tab.until(f'JSON.stringify({shown}) === "[320,0,40,0]"')
        camera = console.pictures.cameras
        console.pictures.crop('wrist_camera', make_task('reach', 'm', 320, 240).cameras[0])
        console.put_image(2)
        await tab.until(f'JSON.stringify({shown}) === "[320,64,40,0]"')
        assert list(camera) == ['wrist_camera', 'front_camera']

    use(body)
