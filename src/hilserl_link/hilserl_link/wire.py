"""The messages between both sides of the link, as MessagePack in binary WebSocket messages.

Each has a type of its own with typed fields; what does not fit is refused before it is used.
"""

from typing import Any

import msgspec

from so101_node.errors import CellError

VERSION = 2  # of these messages; both sides must have the same
MAX_SIZE = 1 << 24  # bytes of one message
MAX_STEPS = 64  # in one message
CHUNK = 1 << 16  # bytes of a policy in one message, so that other messages pass between
MAX_POLICY = 1 << 28  # bytes


class Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The base of all messages: an array, whose first item is the name of the type."""


class Hello(Message, frozen=True):
    """The arm's side begins."""

    version: int
    cell: str
    task: str  # the schema as canonical JSON
    task_hash: str


class Welcome(Message, frozen=True):
    """The learner's side accepts. session: random, another one after each start of its node."""

    run_id: str
    session: str


class Refused(Message, frozen=True):
    """The learner's side does not accept this cell; the sentence says why."""

    sentence: str


class Begin(Message, frozen=True):
    """The spool of the run that the arm's side has, and the first number that waits in it."""

    spool: str
    first: int


class Expect(Message, frozen=True):
    """Answer to Begin: the number with which the steps go on."""

    number: int


class Steps(Message, frozen=True):
    """Steps in order, from `number` on; each packed as step_codec.py says."""

    number: int
    steps: list[bytes]


class Ack(Message, frozen=True):
    """Up to which number steps have arrived, and are on disk. at: s, steady clock of arrival."""

    arrived: int
    at: float
    recorded: int
    refused: int  # of this connection: cannot be used
    excluded: bool  # the learner's side takes no steps of this cell at present


class Ping(Message, frozen=True):
    """Asks for the clocks. asked: s of the asking side's steady clock."""

    asked: float


class Pong(Message, frozen=True):
    """Answer to Ping. steady, wall: s of the answering side's clocks."""

    asked: float
    steady: float
    wall: float


class Policy(Message, frozen=True):
    """A part of a serialised Weights message, packed as policy_parts.py says: `size` bytes."""

    version: int
    size: int
    offset: int
    part: bytes


class HavePolicy(Message, frozen=True):
    """The whole policy has arrived: the next one may be sent."""

    version: int


class Status(Message, frozen=True):
    """A serialised LearnerStatus or DiagnosticArray."""

    kind: str
    data: bytes


class Call(Message, frozen=True):
    """A request of a service of the learner. values: of the request's fields."""

    number: int
    service: str
    values: list[str | bool | int]


class Answer(Message, frozen=True):
    """The answer to a Call."""

    number: int
    success: bool
    message: str


FromArm = Hello | Begin | Steps | Ping | HavePolicy | Call
FromLearner = Welcome | Refused | Expect | Ack | Pong | Policy | Status | Answer
_encoder = msgspec.msgpack.Encoder()
_from_arm: msgspec.msgpack.Decoder[FromArm] = msgspec.msgpack.Decoder(FromArm)
_from_learner: msgspec.msgpack.Decoder[FromLearner] = msgspec.msgpack.Decoder(FromLearner)


def encode(message: FromArm | FromLearner) -> bytes:
    """Return a message's bytes."""
    return _encoder.encode(message)


def from_arm(data: Any) -> FromArm:
    """Decode what the arm's side sends; CellError if it is no such message."""
    found: FromArm = _decoded(_from_arm, data)
    return found


def from_learner(data: Any) -> FromLearner:
    """Decode what the learner's side sends; CellError if it is no such message."""
    found: FromLearner = _decoded(_from_learner, data)
    return found


def _decoded(decoder: Any, data: Any) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError, TypeError) as error:
        raise CellError(f'this is no message of the link: {error}') from error
