"""Answers that come late: a late one is never taken for the answer to a later question."""

import random

from driver_support.emulated_arm import EmulatedArm
import pytest

from so101_driver.bus import Bus, NoAnswer
from so101_driver.servos import IDS

pytestmark = [pytest.mark.slow, pytest.mark.timing]


@pytest.fixture
def arm(tmp_path):
    with EmulatedArm(tmp_path / 'port', moving=False) as arm:
        yield arm


def random_delays(arm, low, high):
    chance = random.Random(1)
    arm.bus.latency = lambda: chance.uniform(low, high)


@pytest.mark.parametrize('low, high', [(0.001, 0.008), (0.004, 0.004), (0.010, 0.016)])
def test_a_sync_read_never_returns_an_earlier_answer(arm, low, high):
    bus, got = Bus(arm.port, IDS, answer_timeout=0.003), 0
    random_delays(arm, low, high)
    for count in range(60):
        for each in arm.servos:
            each.memory[31:33] = bytes(2)
            each.sensed = each.sensed._replace(position=1000.0 + count)
        for _, data in bus.sync_read(56, 15).values():
            assert len(data) == 15
            assert int.from_bytes(data[:2], 'little') == 1000 + count
            got += 1
    bus.close()
    assert got > 60 or low > 0.003


# The bus waits for 20 ms and then 16 ms more; the rest is for a busy machine.
@pytest.mark.parametrize('low, high', [(0.010, 0.028), (0.022, 0.028)])
def test_a_question_to_one_servo_never_gets_the_answer_to_the_one_before(arm, low, high):
    bus = Bus(arm.port, IDS, answer_timeout=0.003)
    random_delays(arm, low, high)
    for count in range(15):
        address = (3, 56, 9)[count % 3]
        expected = arm.servos[0].read(address, 2)
        try:
            assert bus.read(1, address, 2)[1] == expected
        except NoAnswer:
            pass
    bus.close()
