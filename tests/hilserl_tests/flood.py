"""A process that publishes messages, or calls services, again and again, many in a second.

It is a process of its own, so that it takes no time from the test's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import os
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

NODE = 'flooder'
_SOURCE = """
from functools import partial
import importlib, itertools, sys, time
import msgspec, rclpy
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile

rate, file, name = sys.argv[1:]
kinds, messages = msgspec.msgpack.decode(open(file, 'rb').read())
rclpy.init(args=[])
node = rclpy.create_node(name)
profile = QoSProfile(  # one that matches every subscription
    history=HistoryPolicy.KEEP_LAST, depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
publishers = {
    topic: node.create_publisher(getattr(importlib.import_module(module), kind), topic, profile)
    for topic, (module, kind) in kinds.items()
}
end = time.monotonic() + 30.0
while alone := [t for t, each in publishers.items() if not each.get_subscription_count()]:
    if time.monotonic() > end:
        sys.exit(f'nothing subscribes to {alone}')
    time.sleep(0.01)
time.sleep(0.5)  # until its name is known
sends = [partial(publishers[topic].publish, data) for topic, data in messages]
"""

_CALLS = """
from functools import partial
import importlib, itertools, sys, time
import msgspec, rclpy

rate, file, name = sys.argv[1:]
kinds, calls = msgspec.msgpack.decode(open(file, 'rb').read())
rclpy.init(args=[])
node = rclpy.create_node(name)
clients, requests = {}, []
for service, (module, kind) in kinds.items():
    clients[service] = node.create_client(getattr(importlib.import_module(module), kind), service)
    if not clients[service].wait_for_service(30.0):
        sys.exit(f'nobody serves {service}')
for service, values in calls:
    requests.append((clients[service], clients[service].srv_type.Request(**values)))
def call(client, request):
    client.remove_pending_request(client.call_async(request))

sends = [partial(call, *each) for each in requests]
"""
# Both sources end with it; `sends` are the functions that are called in turn.
_LOOP = """
due = time.monotonic()
for count, send in enumerate(itertools.cycle(sends)):
    try:
        send()
    except Exception:
        pass  # a slow receiver: the queue is full
    if count == 100:
        print('floods', flush=True)
    due = max(due + 1.0 / float(rate), time.monotonic() - 0.1)
    time.sleep(max(due - time.monotonic(), 0.0))
"""


@contextmanager
def flood(messages: Sequence[tuple[type[Any], str, bytes]], rate: float) -> Iterator[None]:
    """Publish messages (type, topic, serialised) in turn, `rate` in a second, in the block.

    The block begins when the first hundred are out.
    """
    kinds = {
        topic: (f'{kind.__module__.split(".")[0]}.msg', kind.__name__)
        for kind, topic, _ in messages
    }
    data = [(topic, each) for _, topic, each in messages]
    with _running(_SOURCE, (kinds, data), rate):
        yield


@contextmanager
def flood_of_calls(
    calls: Sequence[tuple[type[Any], str, dict[str, Any]]], rate: float
) -> Iterator[None]:
    """Call services (type, name, fields of the request) in turn, `rate` in a second, in the block.

    No answer is awaited. The block begins when the first hundred are out.
    """
    kinds = {
        service: (f'{kind.__module__.split(".")[0]}.srv', kind.__name__)
        for kind, service, _ in calls
    }
    with _running(_CALLS, (kinds, [(service, fields) for _, service, fields in calls]), rate):
        yield


@contextmanager
def _running(source: str, what: tuple[Any, Any], rate: float) -> Iterator[None]:
    with TemporaryDirectory() as directory:
        file = Path(directory, 'messages')
        file.write_bytes(msgspec.msgpack.encode(what))
        process = subprocess.Popen(
            [sys.executable, '-c', source + _LOOP, str(rate), str(file), NODE],
            stdout=subprocess.PIPE,
            env=dict(os.environ),
            text=True,
        )
        try:
            assert process.stdout is not None  # a pipe
            assert process.stdout.readline() == 'floods\n', 'the flood ended by itself'
            yield
            assert process.poll() is None, 'the flood ended by itself'
        finally:
            process.kill()
            process.wait()
