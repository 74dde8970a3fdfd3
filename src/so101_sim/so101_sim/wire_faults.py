"""Injected faults of an emulated bus.

A test injects a fault. The bus's thread applies it to the next `count` answers of one servo, or of
any servo.
"""

from dataclasses import dataclass
import random
import threading

KINDS = ('drop', 'delay', 'corrupt', 'wrong_id', 'partial', 'noise')
NOISE = 40  # bytes of a noise burst at most


@dataclass
class _Waiting:
    kind: str
    servo: int | None
    count: int
    delay: float


class WireFaults:
    """Faults of one bus. seed: of their random details."""

    def __init__(self, seed: int = 0):
        self.applied = 0
        self._random = random.Random(seed)
        self._waiting: list[_Waiting] = []
        self._lock = threading.Lock()

    def inject(
        self, kind: str, servo: int | None = None, count: int = 1, delay: float = 0.0
    ) -> None:
        """Spoil the next `count` answers of `servo` (None: of any).

        delay: s, of the kind 'delay'. ValueError if `kind` is not one of KINDS.
        """
        if kind not in KINDS:
            raise ValueError(f'{kind} is not one of {", ".join(KINDS)}')
        with self._lock:
            self._waiting.append(_Waiting(kind, servo, count, delay))

    def apply(self, answers: list[bytes]) -> tuple[bytes, float]:
        """Return the bytes that reach the port, and their additional delay, s."""
        if not self._waiting:
            return b''.join(answers), 0.0
        with self._lock:
            late, spoilt = 0.0, []
            for answer in answers:
                for fault in self._waiting:
                    if fault.servo in (None, answer[2]):
                        fault.count -= 1
                        self.applied += 1
                        late = max(late, fault.delay)
                        answer = self._spoil(fault.kind, answer)
                        break
                self._waiting = [fault for fault in self._waiting if fault.count > 0]
                spoilt.append(answer)
        return b''.join(spoilt), late

    def _spoil(self, kind: str, answer: bytes) -> bytes:
        some = self._random
        if kind == 'drop':
            return b''
        if kind == 'corrupt':
            at = some.randrange(2, len(answer))
            return answer[:at] + bytes((answer[at] ^ 1 << some.randrange(8),)) + answer[at + 1 :]
        if kind == 'wrong_id':
            body = bytes((answer[2] % 6 + 1,)) + answer[3:-1]
            return b'\xff\xff' + body + bytes((~sum(body) & 0xFF,))
        if kind == 'partial':
            return answer[: some.randrange(1, len(answer))]
        if kind == 'noise':
            return some.randbytes(some.randrange(1, NOISE)) + answer
        return answer
