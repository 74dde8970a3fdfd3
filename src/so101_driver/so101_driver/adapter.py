"""How late a USB adapter delivers answers, and the time-out and rate that follow from it.

An FTDI chip holds answers back until its latency timer (16 ms as it comes) has run out. Linux lets
the timer be set, with write permission for it.
"""

from pathlib import Path
import time

from .bus import Bus, NoAnswer
from .servo import BLOCK_LENGTH, MODEL, RETURN_DELAY

SERIAL_DEVICES = Path('/sys/bus/usb-serial/devices')
SHORTEST_TIMER = 1  # ms
QUESTIONS = 12
SEARCH_TIMEOUT, MEASURE_TIMEOUT = 0.05, 0.02  # s; the second is for one servo, which has 5 times
LATE = 0.002  # s from which it is worth a line; a plain adapter takes under 1 ms


def latency_timer(port: str, devices: Path = SERIAL_DEVICES) -> Path | None:
    """Return the file of the port's latency timer (ms); None if its driver has none."""
    file = devices / Path(port).resolve().name / 'latency_timer'
    return file if file.exists() else None


def shorten_timer(file: Path) -> str:
    """Set a latency timer to its shortest; return a sentence, '' if it was so."""
    before = int(file.read_text())
    if before <= SHORTEST_TIMER:
        return ''
    try:
        file.write_text(f'{SHORTEST_TIMER}\n')
    except OSError:
        return (
            f"the adapter's latency timer is {before} ms and may not be set; shorten it with: "
            f'echo {SHORTEST_TIMER} | sudo tee {file}'
        )
    return f"the adapter's latency timer was {before} ms, now {SHORTEST_TIMER} ms"


def measure(bus: Bus) -> float | None:
    """Return the s between a question and its answer, beyond their transmission.

    It is exceeded by a quarter of the answers. None if no servo answers.
    """
    given, bus.answer_timeout = bus.answer_timeout, SEARCH_TIMEOUT
    try:
        present = sorted(bus.sync_read(MODEL, 2)) or sorted(bus.sync_read(MODEL, 2))
        if not present:
            return None
        bus.answer_timeout = MEASURE_TIMEOUT
        delay = bus.read(present[0], RETURN_DELAY, 1)[1][0] * 2e-6
        times = []
        for _ in range(QUESTIONS):
            began = time.monotonic()
            bus.read(present[0], MODEL, 2)
            times.append(time.monotonic() - began)
    except NoAnswer:
        return None
    finally:
        bus.answer_timeout = given
    return max(sorted(times)[QUESTIONS * 3 // 4] - bus.wire_time(8 + 8) - delay, 0.0)


def fit(bus: Bus) -> list[str]:
    """Set the time-out of `bus` to what its adapter needs; return lines about what was found."""
    timer = latency_timer(bus.path)
    lines = [line] if timer and (line := shorten_timer(timer)) else []
    latency = measure(bus)
    if latency is None or latency < LATE:
        return lines
    bus.answer_timeout = max(bus.answer_timeout, 1.5 * latency + 0.001)
    cycle = latency + bus.wire_time(8 + len(bus.ids) * (7 + BLOCK_LENGTH))
    lines.append(
        f'{bus.path}: answers come {latency * 1e3:.0f} ms late; time-out '
        f'{bus.answer_timeout * 1e3:.0f} ms, at most {1 / cycle:.0f} cycles/s'
    )
    return lines
