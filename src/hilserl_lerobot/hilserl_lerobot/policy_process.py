"""A policy of LeRobot in a process of its own, with LeRobot's interpreter, over a socket.

What comes back is checked: six finite numbers, of the observation that was sent.
"""

from collections.abc import Sequence
import contextlib
from dataclasses import dataclass
import math
import os
from pathlib import Path
import socket
import subprocess
from typing import Any

from so101_node.errors import CellError

from . import layout
from .wire import WireError, receive, send

LOAD_TIME, ANSWER_TIME = 600.0, 30.0  # s
END_TIME = 2.0  # s from the end of the socket to SIGKILL
# What a process of another environment must not get of this one.
OWN = ('PYTHONPATH', 'VIRTUAL_ENV', 'PYTHONHOME', 'AMENT_PREFIX_PATH')


@dataclass(frozen=True)
class Wanted:
    """What a policy needs: feature of an image -> (height, width), and its number of joints."""

    kind: str
    images: dict[str, tuple[int, int]]


class PolicyProcess:
    """One policy; `load` starts it. command: of the process, without the socket's number."""

    def __init__(self, command: Sequence[str], name: str):
        self._name = name
        self._link, other = socket.socketpair()
        with other:
            words = [str(other.fileno()) if word == '{socket}' else word for word in command]
            environment = {k: v for k, v in os.environ.items() if k not in OWN}
            environment['PYTHONPATH'] = str(Path(__file__).parents[1])
            environment['HF_HUB_OFFLINE'] = '1'  # it needs nothing but its files
            try:
                self._process = subprocess.Popen(
                    words, env=environment, pass_fds=[other.fileno()], start_new_session=True
                )
            except OSError as error:
                self._link.close()
                raise CellError(
                    f'{name} cannot be started with {words[0]}: {error.strerror}; '
                    './cell test --peers makes build/lerobot, or set lerobot_python:='
                ) from error
        self._number = 0

    def load(self) -> Wanted:
        """Wait until the policy is loaded; CellError if it cannot be, or needs something else."""
        message, _ = self._receive(LOAD_TIME)
        if message.get('kind') == 'error':
            raise CellError(f'{self._name} cannot be loaded: {str(message.get("message"))[:500]}')
        try:
            images = {str(n): (int(s[1]), int(s[2])) for n, s in message['images'].items()}
            kind, others = str(message['type'])[:40], [str(n) for n in message['others']]
            sizes = int(message['state']), int(message['action'])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise CellError(f'{self._name} did not say what it needs: {error}') from error
        if sizes not in ((6, 6), (0, 6)):
            raise CellError(
                f'{self._name} has {sizes[0]} values of state and {sizes[1]} of action; an SO-101 '
                'has 6 joints'
            )
        if others:
            raise CellError(f'{self._name} needs {others[0][:80]}, which a cell does not have')
        return Wanted(kind, images)

    def target(
        self, state: Sequence[float], images: dict[str, bytes], reset: bool, task: str
    ) -> list[float]:
        """Return six joint values for an observation, in the dataset's units.

        images: feature -> RGB bytes at the policy's size. CellError if no answer can be used.
        """
        self._number += 1
        request = {
            'kind': 'observation',
            'number': self._number,
            layout.STATE.rpartition('.')[2]: list(state),
            'images': list(images),
            'reset': reset,
            'task': task,
        }
        try:
            send(self._link, request, b''.join(images.values()))
        except WireError as error:
            raise CellError(f'{self._name} has ended: {error}') from error
        answer, _ = self._receive(ANSWER_TIME)
        values = answer.get('values')
        if answer.get('number') != self._number or not isinstance(values, list):
            raise CellError(f'{self._name} gave no answer to observation {self._number}')
        numbers = [v for v in values if isinstance(v, (int, float)) and math.isfinite(v)]
        if len(numbers) != len(values) or len(values) != 6:
            raise CellError(f'{self._name} gave {str(values)[:200]}, not six numbers')
        return [float(v) for v in numbers]

    def _receive(self, timeout: float) -> tuple[dict[str, Any], bytes]:
        self._link.settimeout(timeout)
        try:
            return receive(self._link)
        except TimeoutError:
            raise CellError(f'{self._name} did not answer within {timeout:.0f} s') from None
        except WireError as error:
            raise CellError(f'{self._name} has ended: {error}') from error

    def close(self) -> None:
        """End the process. Any thread may call it."""
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)  # a thread that waits for an answer goes on
        try:
            self._process.wait(END_TIME)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._link.close()
