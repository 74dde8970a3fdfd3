"""The difference of two clocks does not depend on the line, as far as it can be known."""

import math
import threading

from hypothesis import given
from hypothesis import strategies as st
import pytest

from hilserl_link.clocks import SAMPLES, ClockDifference
from hilserl_link.traffic import Traffic

DELAYS = st.floats(0.0, 1.0)


@given(
    st.lists(st.tuples(DELAYS, DELAYS), min_size=1, max_size=30),
    st.floats(-1e6, 1e6),
    st.floats(-1e4, 1e4),
)
def test_the_error_is_at_most_half_of_the_shortest_round_trip(trips, steady, wall):
    clocks, now = ClockDifference(), 100.0
    for out, back in trips:
        answered = now + out
        arrived = answered + back
        clocks.add(now, answered + steady, arrived, answered + wall, arrived)
        now = arrived + 1.0
    best = clocks.best
    shortest = min(out + back for out, back in trips[-SAMPLES:])
    assert best.round_trip == pytest.approx(shortest, abs=1e-9)
    assert abs(best.steady - steady) <= shortest / 2 + 1e-6
    assert abs(best.wall - wall) <= shortest / 2 + 1e-6


def test_nothing_is_known_before_the_first_answer_and_after_a_restart():
    clocks = ClockDifference()
    assert math.isnan(clocks.best.wall)
    clocks.add(1.0, 2.0, 3.0, 4.0, 5.0)
    clocks.clear()
    assert math.isnan(clocks.best.round_trip)


def test_traffic_is_the_mean_of_the_last_seconds_and_delays_are_bounded():
    traffic = Traffic(100.0)
    assert math.isnan(traffic.delay_p99)
    for second in range(100, 140):
        traffic.note('sent', 125_000, float(second))  # 1 Mbit
    assert traffic.mbit_s('sent', 139.0) == pytest.approx(1.1)  # both ends count
    assert traffic.mbit_s('received', 139.0) == 0.0
    assert traffic.mbit_s('sent', 200.0) == 0.0
    for i in range(1000):
        traffic.note_delay(float(i))
    assert 990.0 <= traffic.delay_p99 <= 999.0


@pytest.mark.slow
def test_one_thread_reads_while_another_notes():
    clocks, traffic, ended = ClockDifference(), Traffic(0.0), threading.Event()

    def note():
        now = 0.0
        while not ended.is_set():
            now += 1e-3
            traffic.note('sent', 100, now)
            traffic.note_delay(now)
            clocks.add(now, now, now, now, now)

    thread = threading.Thread(target=note)
    thread.start()
    try:
        for _ in range(2000):
            assert traffic.mbit_s('sent', 0.0) >= 0.0
            assert not traffic.delay_p99 < 0.0 and not clocks.best.round_trip > 0.0
    finally:
        ended.set()
        thread.join()
