"""Looks for servos at all baud rates and ids.

A broadcast ping asks all servos at once. Servos with one id answer at the same time, and what
arrives is garbled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scservo_sdk import BROADCAST_ID, INST_PING, INST_READ

from .bus import Bus
from .packets import parse_status_packets
from .serial_port import BAUD_RATE

# Value of register 6 -> baud rate.
BAUD_RATES = (1_000_000, 500_000, 250_000, 128_000, 115_200, 76_800, 57_600, 38_400)
USUAL = range(7)  # ids that are asked one by one too, where a broadcast is garbled
WINDOW = 0.03  # s for answers, beyond those that an adapter holds back
ROUNDS = 3
TABLE = 71  # bytes, with position, voltage and temperature, which two servos do not share


@dataclass(frozen=True)
class Found:
    """An id that answers at a baud rate. clean: no two servos answer to it, as far as is seen."""

    id: int
    rate: int
    clean: bool = True

    def __str__(self) -> str:
        two = '' if self.clean else ' (two servos or more)'
        return f'id {self.id} at {self.rate:,} baud{two}'


def scan(bus: Bus, rates: Sequence[int] = BAUD_RATES) -> list[Found]:
    """Return what answers at `rates`; the bus has its usual baud rate afterwards."""
    found = []
    try:
        for rate in rates:
            bus.set_baud_rate(rate)
            found += _scan_rate(bus, rate)
    finally:
        bus.set_baud_rate(BAUD_RATE)
    return found


def _scan_rate(bus: Bus, rate: int) -> list[Found]:
    received = bus.exchange(instruction(BROADCAST_ID, INST_PING), WINDOW)
    if not received:
        return []
    answers, _, _ = parse_status_packets(received, 0)
    ids = {number for number, _, _ in answers}
    if len(received) != 6 * len(ids):  # garbled
        ids |= {n for n in USUAL if bus.exchange(instruction(n, INST_PING), WINDOW)}
    return [Found(number, rate, answers_alone(bus, number)) for number in sorted(ids)]


def answers_alone(bus: Bus, number: int) -> bool:
    """Return whether only one servo answers to an id: the answers of two are garbled."""
    question = instruction(number, INST_READ, 0, TABLE)
    for _ in range(ROUNDS):
        received = bus.exchange(question, WINDOW)
        answers, _, _ = parse_status_packets(received, TABLE)
        if len(answers) != 1 or len(received) != TABLE + 6:
            return False
    return True


def instruction(number: int, code: int, *parameters: int) -> bytes:
    """Return an instruction packet."""
    body = bytes((number, len(parameters) + 2, code, *parameters))
    return b'\xff\xff' + body + bytes((~sum(body) & 0xFF,))
