"""A person drives a demonstration in the simulated cell by a page, and the page is lost."""

import asyncio
import re
import time

import aiohttp
import pytest

from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.contract.steps import Source
from hilserl_tests.cell_process import CellProcess, own_domain

pytestmark = [pytest.mark.graph, pytest.mark.slow]


async def press_until(socket, key, cell, words):
    """Press a key every second until the cell prints the words."""
    for _ in range(200):
        if words in cell.text:
            return
        await socket.send_json({'type': 'key', 'key': key})
        await asyncio.sleep(1.0)
    raise AssertionError(f'{words!r} was not printed')


async def drive(cell, link):
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(link.replace('/?', '/ws?').replace('http', 'ws')) as socket,
    ):
        await press_until(socket, ' ', cell, 'READY -> HUMAN')
        until = time.monotonic() + 2.0
        while time.monotonic() < until:  # and then the page is lost in mid-drive
            await socket.send_json({'type': 'drive', 'axes': [0, 1, 0, 0]})
            await asyncio.sleep(0.04)


def test_a_person_drives_by_a_page_and_the_arm_holds_when_the_page_is_lost(tmp_path):
    words = ['record', f'runs_dir:={tmp_path}', 'operator:=person', 'screen:=plain']
    with own_domain() as environment:
        cell = CellProcess([*words, 'duration:=60'], environment)
        link = re.search(r'http://\S+', cell.wait_for('in a browser', 60))[0]
        cell.wait_for('IDLE', 100)
        asyncio.run(drive(cell, link))
        cell.wait_for('HUMAN -> PAUSED', 10)
        cell.interrupt()
    (bag,) = open_bags(tmp_path / 'demos' / 'bags')
    steps = [step for step in bag.steps() if not step.last]
    assert {step.source for step in steps} == {Source.HUMAN}
    assert max(step.action[1] for step in steps) > 0.3
