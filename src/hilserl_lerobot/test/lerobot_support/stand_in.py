#!/usr/bin/env python3
"""Stands in for a Python with LeRobot: what `serve_policy` says and answers, without LeRobot.

Its directory's config.json says what it does: a `type`, or a fault.
"""

import json
import math
from pathlib import Path
import socket
import sys

sys.path.insert(0, str(Path(__file__).parents[2]))

from hilserl_lerobot.wire import WireError, receive, send

SHAPE = {'observation.images.wrist': [3, 64, 64]}


def main():
    number, directory = int(sys.argv[3]), Path(sys.argv[4])
    config = json.loads((directory / 'config.json').read_text())
    link = socket.socket(fileno=number)
    if fault := config.get('fault', ''):
        if fault == 'unloadable':
            send(link, {'kind': 'error', 'message': 'RuntimeError: no such weights'})
            return
        if fault == 'garbage':
            link.sendall(b'\xff' * 64)
            return
    ready = {'type': 'act', 'images': SHAPE, 'state': 6, 'action': 6, 'others': []}
    send(link, {'kind': 'ready', **ready, **config.get('ready', {})})
    start = None
    try:
        while True:
            message, data = receive(link)
            if message['reset'] or start is None:
                start, steps = message['state'], 0
            steps += 1
            assert len(data) == sum(math.prod(SHAPE[name]) for name in message['images'])
            values = [*start]
            values[0] += 0.5 * steps  # degrees of the shoulder
            values[5] = 50.0
            values = {'nan': [math.nan] * 6, 'seven': [0.0] * 7}.get(fault, values)
            if fault == 'ends':
                return
            send(link, {'kind': 'target', 'number': message['number'], 'values': values})
    except WireError:
        pass


main()
