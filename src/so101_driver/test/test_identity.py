"""Which arm is on which port, by what its servos keep and by their supply."""

from contextlib import contextmanager

from driver_support.emulated_arm import EmulatedArm
import pytest

from so101_driver.bus import Bus
from so101_driver.calibration import load_calibration
from so101_driver.identity import check_identity, who_is_there
from so101_driver.servos import IDS
from so101_node.errors import CellError
from so101_sim import calibration_path

FILES = {arm: load_calibration(calibration_path(arm)) for arm in ('follower', 'leader')}


@contextmanager
def buses(tmp_path, configured=True, **arms):
    """{port: Bus}, each with the arm that is given for it on it."""
    there = {port: EmulatedArm(tmp_path / port, arm, configured) for port, arm in arms.items()}
    opened = {}
    try:
        for port, arm in there.items():
            arm.__enter__()
            opened[port] = Bus(arm.port, IDS, answer_timeout=0.01)
        yield opened, there
    finally:
        for bus in opened.values():
            bus.close()
        for arm in there.values():
            arm.__exit__()


def test_arms_on_their_own_ports_pass(tmp_path):
    with buses(tmp_path, follower='follower', leader='leader') as (ports, _):
        check_identity(ports, FILES)


def test_arms_that_keep_no_calibration_pass_where_the_supply_does_not_speak_against_it(tmp_path):
    with buses(tmp_path, False, follower='follower', leader='leader') as (ports, _):
        check_identity(ports, FILES)


def test_swapped_arms_that_keep_no_calibration_are_told_by_their_supply(tmp_path):
    with buses(tmp_path, False, follower='leader', leader='follower') as (ports, _):
        with pytest.raises(
            CellError,
            match='leader on .* has 12.0 V and the follower .* 7.4 V: '
            'the ports or the power supplies are exchanged',
        ):
            check_identity(ports, FILES)


def test_one_arm_on_the_others_port_is_told_by_what_it_keeps(tmp_path):
    with buses(tmp_path, leader='follower') as (ports, _):
        with pytest.raises(CellError, match='leader_port: the arm on .*/leader is the follower'):
            check_identity(ports, FILES)


def test_exchanged_files_are_told_from_exchanged_ports_by_the_supply(tmp_path):
    exchanged = {'follower': FILES['leader'], 'leader': FILES['follower']}
    with buses(tmp_path, follower='follower', leader='leader') as (ports, there):
        with pytest.raises(CellError, match='exchange follower_calibration and leader_calibr'):
            check_identity(ports, exchanged)
        for servo in there['leader'].servos:  # both at one voltage: the ports, most likely
            servo.sag = -4.6
        with pytest.raises(CellError, match='exchange follower_port and leader_port'):
            check_identity(ports, exchanged)


def test_the_arm_on_the_other_port_is_named_with_its_supply(tmp_path):
    with buses(tmp_path, leader='leader') as (ports, _):
        assert who_is_there(ports['leader'], FILES) == (
            f'the arm on {tmp_path}/leader is the leader (7.4 V)'
        )
    with buses(tmp_path, False, leader='leader') as (ports, _):
        assert 'an arm at 7.4 V whose servos keep no known calibration' in who_is_there(
            ports['leader'], FILES
        )


def test_a_broken_chain_is_told_by_the_servos_that_answer(tmp_path):
    with buses(tmp_path, follower='follower') as (ports, there):
        for servo in there['follower'].servos[2:]:
            servo.power_cycle(False)
        with pytest.raises(
            CellError, match='elbow_flex: .*servo 3 does not answer; .*on this bus answer: 1, 2$'
        ):
            check_identity(ports, FILES)


def test_a_servo_that_was_replaced_does_not_hide_the_arm(tmp_path):
    with buses(tmp_path, leader='follower') as (ports, there):
        there['leader'].servos[1].memory[9:13] = b'\0\0\xff\x0f'
        with pytest.raises(CellError, match='is the follower'):
            check_identity(ports, FILES)
