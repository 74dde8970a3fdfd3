"""Identification of the arm on a port, by the calibration in its servos and by their supply."""

from contextlib import contextmanager

from driver_support.emulated_arm import EmulatedArm
import pytest

from so101_driver.bus import Bus
from so101_driver.calibration import load_calibration
from so101_driver.identity import check_identity, describe_arm
from so101_driver.servos import IDS
from so101_node.errors import CellError
from so101_sim import calibration_path

pytestmark = pytest.mark.timing

FILES = {arm: load_calibration(calibration_path(arm)) for arm in ('follower', 'leader')}


@contextmanager
def buses(tmp_path, configured=True, **arms):
    """Yield {port: Bus} and {port: EmulatedArm}, with the given arm on each port."""
    emulated = {port: EmulatedArm(tmp_path / port, arm, configured) for port, arm in arms.items()}
    opened = {}
    try:
        for port, arm in emulated.items():
            arm.__enter__()
            opened[port] = Bus(arm.port, IDS, answer_timeout=0.01)
        yield opened, emulated
    finally:
        for bus in opened.values():
            bus.close()
        for arm in emulated.values():
            arm.__exit__()


def test_arms_on_their_own_ports_pass(tmp_path):
    with buses(tmp_path, follower='follower', leader='leader') as (ports, _):
        check_identity(ports, FILES)


def test_arms_without_calibration_pass_if_their_supplies_are_plausible(tmp_path):
    with buses(tmp_path, False, follower='follower', leader='leader') as (ports, _):
        check_identity(ports, FILES)


def test_swapped_arms_without_calibration_are_detected_by_their_supply(tmp_path):
    with buses(tmp_path, False, follower='leader', leader='follower') as (ports, _):
        with pytest.raises(
            CellError,
            match='leader on .* has 12.0 V and the follower .* 7.4 V: '
            'the ports or the power supplies are exchanged',
        ):
            check_identity(ports, FILES)


def test_the_wrong_arm_on_a_port_is_detected_by_its_calibration(tmp_path):
    with buses(tmp_path, leader='follower') as (ports, _):
        with pytest.raises(CellError, match='leader_port: the arm on .*/leader is the follower'):
            check_identity(ports, FILES)


def test_the_supply_distinguishes_exchanged_files_from_exchanged_ports(tmp_path):
    exchanged = {'follower': FILES['leader'], 'leader': FILES['follower']}
    with buses(tmp_path, follower='follower', leader='leader') as (ports, emulated):
        with pytest.raises(CellError, match='exchange follower_calibration and leader_calibr'):
            check_identity(ports, exchanged)
        for servo in emulated['leader'].servos:  # both at the same voltage: most likely the ports
            servo.sag = -4.6
        with pytest.raises(CellError, match='exchange follower_port and leader_port'):
            check_identity(ports, exchanged)


def test_the_description_of_an_arm_names_it_and_its_supply(tmp_path):
    with buses(tmp_path, leader='leader') as (ports, _):
        assert describe_arm(ports['leader'], FILES) == (
            f'the arm on {tmp_path}/leader is the leader (7.4 V)'
        )
    with buses(tmp_path, False, leader='leader') as (ports, _):
        assert 'an arm at 7.4 V whose servos keep no known calibration' in describe_arm(
            ports['leader'], FILES
        )


def test_the_error_of_a_broken_chain_lists_the_servos_that_answer(tmp_path):
    with buses(tmp_path, follower='follower') as (ports, emulated):
        for servo in emulated['follower'].servos[2:]:
            servo.power_cycle(False)
        with pytest.raises(
            CellError, match='elbow_flex: .*servo 3 does not answer; .*on this bus answer: 1, 2$'
        ):
            check_identity(ports, FILES)


def test_an_arm_with_one_replaced_servo_is_still_identified(tmp_path):
    with buses(tmp_path, leader='follower') as (ports, emulated):
        emulated['leader'].servos[1].memory[9:13] = b'\0\0\xff\x0f'
        with pytest.raises(CellError, match='is the follower'):
            check_identity(ports, FILES)
