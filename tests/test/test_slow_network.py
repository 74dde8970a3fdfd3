"""The line between two network namespaces: delay, loss, rate and cut, without any network."""

from hilserl_tests.slow_network import QUEUE, Direction, Line


def arrivals(way, line, times):
    return [sum(1 for _ in way.arrived(line, at)) for at in times]


def test_a_packet_arrives_after_its_time_on_the_line_and_the_delay():
    way, line = Direction(), Line(delay=0.05, rate=1e6)
    for _ in range(2):
        way.take(bytes(1250), line, 10.0, 0.5)  # 10 ms each
    assert way.next_arrival() == 10.06
    assert arrivals(way, line, (10.055, 10.061, 10.071)) == [0, 1, 1]
    assert way.sent == 2500 and way.next_arrival() == float('inf')


def test_loss_and_a_cut_take_packets_also_those_on_their_way():
    way, line = Direction(), Line(delay=1.0, loss=0.1)
    way.take(b'lost', line, 0.0, 0.09)
    way.take(b'kept', line, 0.0, 0.11)
    assert list(way.arrived(line, 2.0)) == [b'kept']
    way.take(b'on its way', line, 3.0, 0.5)
    assert list(way.arrived(Line(cut=True), 3.1)) == []
    way.take(b'during the cut', Line(cut=True), 3.2, 0.5)
    assert list(way.arrived(line, 9.0)) == []


def test_a_full_queue_loses_packets():
    way, line = Direction(), Line(delay=10.0)
    for _ in range(QUEUE + 50):
        way.take(b'x', line, 0.0, 0.5)
    assert len(list(way.arrived(line, 20.0))) == QUEUE
