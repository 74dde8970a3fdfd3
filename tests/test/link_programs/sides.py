"""One side of a link in a network namespace of its own: `sides.py learner|arm|stranger JSON`.

Each prints a JSON line of what it has seen when it ends. The learner's and the stranger's side
end with their stdin. link_support must be on PYTHONPATH.
"""

import asyncio
import json
from pathlib import Path
import ssl
import sys
import threading
import time

import aiohttp
from link_support import RUN, Kept, Received, step_bytes, wait
import numpy as np

from hilserl_core.contract.tasks import make_task
from hilserl_link import wire
from hilserl_link.client import LinkClient
from hilserl_link.keys import tls
from hilserl_link.server import LinkServer
from hilserl_link.spools import Spools
from hilserl_tests.slow_network import ADDRESSES, ARM, LEARNER, STRANGER

PORT = 7447
SCHEMA = make_task('grasp_lift', 'model')
HELLO = wire.Hello(wire.VERSION, 'a', SCHEMA.to_json(), SCHEMA.hash)


def serve(side, context, policy):
    """Serve as the learner until stdin ends; return its steps and its log."""
    learner, lines, stop = Kept(), [], threading.Event()
    server = LinkServer(SCHEMA, RUN, learner, lines.append)
    server.set_policy(1, policy)

    def tell():
        while not stop.wait(0.05):
            server.set_on_disk('learner', learner.on_disk())

    def run():
        asyncio.run(server.serve(ADDRESSES[side], PORT, context, stop.is_set))

    threads = [threading.Thread(target=each) for each in (tell, run)]
    for thread in threads:
        thread.start()
    yield  # it runs
    stop.set()
    for thread in threads:
        thread.join()
    yield learner.steps, lines


def learner(options):
    """A learner with its keys."""
    serving = serve(LEARNER, context_of(options, LEARNER), bytes.fromhex(options['secret']))
    next(serving)
    sys.stdin.read()
    steps, lines = next(serving)
    return {'steps': steps, 'log': lines}


def context_of(options, name):
    """TLS of a side, if this test has keys."""
    return tls(Path(options['keys']) / name, name == LEARNER) if options['keys'] else None


def arm(options):
    """An arm with its keys: three steps to the learner. Then it tries the stranger's address."""
    image = np.frombuffer(bytes.fromhex(options['secret']), np.uint8).reshape(64, 64, 3)
    spools, received = Spools(Path(options['folder']), 1 << 24), Received()
    for index in range(3):
        spools.of(RUN).append(step_bytes(SCHEMA, index, images=(image,)))
    with_learner = connect(options, LEARNER, spools, received)
    next(with_learner)
    wait(lambda: received.policies and spools.waiting == 0)
    next(with_learner)
    found = {'policies': len(received.policies)}
    if options['keys']:
        misled = Received()
        with_stranger = connect(options, STRANGER, spools, misled)
        client = next(with_stranger)
        wait(lambda: 'certificate' in client.problem.lower())
        next(with_stranger)
        found |= {'of_stranger': len(misled.policies), 'problem': client.problem}
    return found


def connect(options, side, spools, received):
    """Connect to a side until the second `next`."""
    address = (ADDRESSES[side], PORT)
    client = LinkClient(address, context_of(options, ARM), HELLO, spools, received, print_error)
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(client.run(stop.is_set)))
    thread.start()
    yield client
    stop.set()
    thread.join()
    yield


def print_error(sentence):
    """Show a line of the log, not among what is printed for the test."""
    print(sentence, file=sys.stderr)


def stranger(options):
    """Keys of another CA: tries to take part as a cell, and stands in for the learner."""
    keys = Path(options['strange_keys'])
    serving = serve(STRANGER, tls(keys / LEARNER, True), b'a policy that nobody asked for')
    next(serving)
    unknown = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it checks nothing, and shows nothing
    unknown.check_hostname, unknown.verify_mode = False, ssl.CERT_NONE
    known = tls(keys / ARM, False)
    known.verify_mode = ssl.CERT_NONE
    ways = {'plain': None, 'no certificate': unknown, 'certificate of another CA': known}
    answers = {name: asyncio.run(attempt(context)) for name, context in ways.items()}
    print(json.dumps(answers), flush=True)
    sys.stdin.read()
    steps, lines = next(serving)
    return {'steps': steps, 'log': lines}


async def attempt(context):
    """Say hello and send a step to the learner's side; return what it answers, or the refusal."""
    url = f'{"wss" if context else "ws"}://{ADDRESSES[LEARNER]}:{PORT}/link'
    end = time.monotonic() + 20.0
    while True:
        try:
            async with aiohttp.ClientSession() as session:
                async with session.ws_connect(url, ssl=context or True) as socket:
                    for message in (HELLO, wire.Begin('x', 1), wire.Steps(1, [b'\0nonsense'])):
                        await socket.send_bytes(wire.encode(message))
                    answer = await socket.receive(5.0)
                    return f'answered: {answer.type.name}'
        except aiohttp.ClientConnectorError as error:
            if 'Connect call failed' not in str(error) or time.monotonic() > end:
                return f'refused: {error}'
            await asyncio.sleep(0.1)  # it is not up yet
        except (aiohttp.ClientError, OSError) as error:
            return f'refused: {error}'


if __name__ == '__main__':
    print(json.dumps(globals()[sys.argv[1]](json.loads(sys.argv[2]))), flush=True)
