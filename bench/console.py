"""Measures the console: its cost to the control loop, the way of a key, and its dead-man.

A page is open half of the time: a client that takes every image and drives, as a browser does. The
period is that of the steps of one episode, with and without the page, in turns in one cell.
"""

import argparse
import asyncio
import itertools
import json
import os
from pathlib import Path
import re
import tempfile
import time

import aiohttp
import numpy as np
from sensor_msgs.msg import JointState

from hilserl_actor.bringup.console_link import VARIABLE
from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.spun_node import spun_node
from so101_interfaces.msg import Step
from so101_node import names, qos
from so101_node.stamps import to_ns

TURN = 10.0  # s with the page, and s without it
TICKS_S = os.sysconf('SC_CLK_TCK')  # of /proc/PID/stat
WORDS = ['record', 'operator:=person', 'screen:=plain', 'ready_time:=0.2', 'duration:=60']


class Listener:
    """Steps of the cell, and commands to the leader: when it was pulled, when released."""

    def __enter__(self) -> 'Listener':
        self.steps, self.pulled, self.released = [], [], []
        self._spun = spun_node('console_bench')
        node = self._spun.__enter__()
        node.create_subscription(JointState, names.SIM_HAND, self._note, qos.STEPS)
        node.create_subscription(Step, names.STEP, self.steps.append, qos.STEPS)
        return self

    def __exit__(self, *error: object) -> None:
        self._spun.__exit__(*error)

    def _note(self, message: JointState) -> None:
        (self.pulled if message.name else self.released).append(time.monotonic())


def console_process(link: str) -> Path:
    """Return the /proc directory of the console of this link."""
    wanted = f'{VARIABLE}={link}'.encode()
    for directory in Path('/proc').iterdir():
        try:
            command = (directory / 'cmdline').read_bytes()
            if b'/console' in command and wanted in (directory / 'environ').read_bytes():
                return directory
        except OSError:
            continue
    raise SystemExit('the console does not run')


def seconds_of(process: Path) -> float:
    """Return the processor time of a process so far, s."""
    fields = (process / 'stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def periods(steps: list[Step]) -> list[float]:
    """Return the times between the steps of an episode that follow each other, ms."""
    return [
        (to_ns(after.header.stamp) - to_ns(before.header.stamp)) * 1e-6
        for before, after in itertools.pairwise(steps)
        if after.episode_id == before.episode_id and after.index == before.index + 1
    ]


async def first_after(times: list[float], since: float) -> float | None:
    """Return the time until the first event after `since`, ms; None: none came within 1 s."""
    while time.monotonic() - since < 1.0:
        if found := [at for at in times if at >= since]:
            return (found[0] - since) * 1e3
        await asyncio.sleep(0.001)
    return None


async def with_page(link: str, hand: Listener, keys: list[float], dead: list[float]) -> None:
    """Open a page for TURN s: take every image, and drive to and fro."""
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(link.replace('/?', '/ws?').replace('http', 'ws')) as socket,
    ):

        async def take() -> None:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    await socket.send_json({'type': 'seen'})

        taking = asyncio.create_task(take())
        until, side = time.monotonic() + TURN, 1
        while time.monotonic() < until:
            side = -side
            drive = {'type': 'drive', 'axes': [0, side, 0, 0]}
            since = time.monotonic()
            await socket.send_json(drive)
            if (delay := await first_after(hand.pulled, since)) is not None:
                keys.append(delay)
            for _ in range(3):
                await asyncio.sleep(0.05)
                last = time.monotonic()
                await socket.send_json(drive)
            if (delay := await first_after(hand.released, last)) is not None:
                dead.append(delay)
            await asyncio.sleep(0.1)
        taking.cancel()


async def press_start(link: str, messages: Listener) -> None:
    """Press the start key on a page until an episode runs."""
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(link.replace('/?', '/ws?').replace('http', 'ws')) as socket,
    ):
        while not messages.steps:
            await socket.send_json({'type': 'key', 'key': ' '})
            await asyncio.sleep(1.0)


def measure(length: float) -> dict[str, float]:
    """Run a cell for `length` s; return the figures."""
    keys: list[float] = []
    dead: list[float] = []
    found: dict[bool, list[float]] = {False: [], True: []}
    turns = max(1, round(length / TURN / 2))  # with the page, and as many without
    with tempfile.TemporaryDirectory() as runs, own_domain() as environment:
        cell = CellProcess([*WORDS, f'runs_dir:={runs}'], environment, shown=False)
        try:
            link = re.search(r'http://\S+', cell.wait_for('in a browser', 120))[0]
            with Listener() as messages:
                cell.wait_for('IDLE', 300)
                asyncio.run(asyncio.wait_for(press_start(link, messages), 300))
                process, used = console_process(link), 0.0
                for turn in range(2 * turns):
                    page = bool(turn % 2)
                    messages.steps.clear()
                    before = seconds_of(process)
                    if page:
                        asyncio.run(with_page(link, messages, keys, dead))
                        used += seconds_of(process) - before
                    else:
                        time.sleep(TURN)
                    found[page] += periods(list(messages.steps))
        finally:
            cell.interrupt()
    return {
        'cpu_percent': 100 * used / (turns * TURN),
        'period_ms_p99_with': float(np.percentile(found[True], 99)),
        'period_ms_p99_without': float(np.percentile(found[False], 99)),
        'key_to_command_ms_p99': float(np.percentile(keys, 99)),
        'dead_man_ms_p99': float(np.percentile(dead, 99)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog='cell bench console', description=__doc__)
    parser.add_argument(
        '--seconds', type=float, default=60.0, help='length, half of it with a page'
    )
    print(f'load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors', flush=True)
    figures = measure(parser.parse_args().seconds)
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == '__main__':
    main()
