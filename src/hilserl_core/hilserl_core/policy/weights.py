"""Conversion of the Weights message, a published policy, to and from CDR bytes.

This takes half the time of a message object, which copies a bundle of megabytes two times more on
each side.
"""

import struct
from typing import NamedTuple

import numpy as np

from so101_node.cdr import Reader, Writer, decode

WEIGHTS_TYPE = 'so101_interfaces/msg/Weights'
_VERSION, _ENV_STEPS = struct.Struct('<I'), struct.Struct('<Q')


class PublishedPolicy(NamedTuple):
    """The content of a Weights message."""

    stamp: int  # ns of the ROS clock
    version: int
    env_steps: int
    bundle: bytes
    run_id: str = ''


def weights_to_cdr(published: PublishedPolicy) -> bytes:
    """The message's bytes."""
    cdr = Writer()
    cdr.stamp(published.stamp)
    cdr.text('')  # a policy has no frame
    cdr.fields(_VERSION, published.version)
    cdr.fields(_ENV_STEPS, published.env_steps, align=8)
    cdr.text(published.run_id)
    cdr.numbers(np.frombuffer(published.bundle, np.uint8), np.uint8)
    return cdr.data()


def weights_from_cdr(data: bytes) -> PublishedPolicy:
    """Decode a Weights message; CellError if the bytes are none."""
    return decode(data, WEIGHTS_TYPE, _read)


def weights_run_id(data: bytes) -> str:
    """Read only the run id of a Weights message; CellError if the bytes are none."""
    return decode(data, WEIGHTS_TYPE, _read_run_id)


def _read(cdr: Reader) -> PublishedPolicy:
    stamp, version, env_steps, run_id = _read_head(cdr)
    return PublishedPolicy(stamp, version, env_steps, cdr.numbers(np.uint8).tobytes(), run_id)


def _read_run_id(cdr: Reader) -> str:
    *_, run_id = _read_head(cdr)
    cdr.numbers(np.uint8)
    return run_id


def _read_head(cdr: Reader) -> tuple[int, int, int, str]:
    stamp, _ = cdr.stamp(), cdr.text()
    (version,) = cdr.fields(_VERSION)
    (env_steps,) = cdr.fields(_ENV_STEPS, align=8)
    return stamp, version, env_steps, cdr.text()
