"""Both sides of the link in this process, with a learner that only keeps what it gets."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
import socket
import threading
import time

from core_support import record

from hilserl_core.bags.cdr import step_from_cdr, step_to_cdr
from hilserl_link import wire
from hilserl_link.client import LinkClient
from hilserl_link.server import LinkServer
from hilserl_link.spools import Spools

RUN = 'run1'


def free_port():
    """Return a free TCP port of this host."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait(condition, seconds=20.0):
    """Wait until `condition()`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def step_bytes(schema, index, episode='e', run_id=RUN, **fields):
    """Return a serialised step."""
    return bytes(step_to_cdr(record(schema, index, episode, run_id=run_id, **fields)))


class Kept:
    """A learner that has on disk what it got."""

    def __init__(self):
        self.steps, self.calls = [], []

    def ready(self, cell, session):
        return True

    def deliver(self, cell, data):
        step = step_from_cdr(data)
        self.steps.append((cell, step.episode_id, step.index))

    async def call(self, service, values):
        self.calls.append((service, values))
        return True, f'{service} is done'

    def on_disk(self):
        found = {}
        for _, episode, index in self.steps:
            found[episode] = index
        return found


class Received:
    """What the arm's side got."""

    def __init__(self):
        self.policies, self.statuses = [], []

    def on_policy(self, version, message):
        self.policies.append((version, message))

    def on_status(self, kind, data):
        self.statuses.append((kind, data))


@contextmanager
def serving(schema, port, tls=None, learner=None, run_id=RUN) -> Iterator[LinkServer]:
    """Run the learner's side; `server.log_lines` has what it logs."""
    learner = learner or Kept()
    lines = []
    server = LinkServer(schema, run_id, learner, lines.append)
    server.log_lines = lines
    stop = threading.Event()

    def tell():
        while not stop.wait(0.05):
            server.set_on_disk('learner', learner.on_disk())

    threads = [
        threading.Thread(
            target=lambda: asyncio.run(server.serve('127.0.0.1', port, tls, stop.is_set))
        ),
        threading.Thread(target=tell),
    ]
    for thread in threads:
        thread.start()
    try:
        yield server
    finally:
        stop.set()
        for thread in threads:
            thread.join(10.0)


@contextmanager
def connecting(schema, port, directory, tls=None, name='a') -> Iterator[LinkClient]:
    """Run the arm's side; `client.spools`, `client.received`, `client.errors`."""
    spools, received, lines = Spools(directory, 1 << 24), Received(), []
    hello = wire.Hello(wire.VERSION, name, schema.to_json(), schema.hash)
    client = LinkClient(('127.0.0.1', port), tls, hello, spools, received, lines.append)
    client.spools, client.received, client.log_lines, client.errors = spools, received, lines, []
    stop = threading.Event()

    def body():
        try:
            asyncio.run(client.run(stop.is_set))
        except Exception as error:
            client.errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield client
    finally:
        stop.set()
        thread.join(10.0)
        spools.close()
        assert not thread.is_alive()
