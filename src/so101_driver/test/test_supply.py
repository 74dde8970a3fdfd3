"""Whether a stated supply fits the servos of an arm."""

from contextlib import closing

from driver_support.emulated_arm import EmulatedArm
import pytest

from so101_driver.bus import Bus
from so101_driver.servos import IDS
from so101_driver.supply import check_supply
from so101_node.errors import CellError

pytestmark = pytest.mark.timing


@pytest.fixture
def arm(tmp_path):
    with EmulatedArm(tmp_path / 'port', moving=False) as arm:
        with closing(Bus(arm.port, IDS, answer_timeout=0.01)) as opened:
            yield arm, opened


def test_a_supply_that_fits_passes(arm):
    check_supply('follower', arm[1], 12.0)


def test_a_supply_that_a_servo_is_not_made_for_is_refused_with_its_limits(arm):
    emulated, bus = arm
    emulated.servos[2].memory[14:16] = bytes((84, 40))  # a servo for 7.4 V in a 12 V arm
    with pytest.raises(CellError) as error:
        check_supply('follower', bus, 12.0)
    assert str(error.value) == (
        'follower_voltage: elbow_flex: the supply has 12.0 V, and this servo is for 4.0 to 8.4 V '
        '(registers 15 and 14); switch it off and use one that fits, or correct follower_voltage'
    )


def test_a_supply_that_is_not_what_the_servos_measure_is_refused(arm):
    emulated, bus = arm
    for servo in emulated.servos:
        servo.sag = 4.6
    with pytest.raises(
        CellError, match='shoulder_pan measures 7.4 V, and the supply is said to have 12.0 V'
    ):
        check_supply('follower', bus, 12.0)
