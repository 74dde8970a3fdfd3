"""The driver obeys one publisher at a time and names the others."""

import pytest

from so101_driver.commander import FIRST_COMMAND, PLAIN_SILENCE, RUN_SILENCE, Commander
from so101_node.errors import CellError
from so101_node.publisher import Publisher


def publisher(node, process=b'a', end=b'\0'):
    return Publisher(node, b'\x01\x0fhh' + process * 8 + end * 4)


ACTOR, SLIDER = publisher('/actor'), publisher('/slider', b'b')
OWN = publisher('/driver', b'd').gid


@pytest.fixture
def commander():
    return Commander(OWN)


def test_without_a_commander_a_command_is_refused_by_name(commander):
    with pytest.raises(CellError, match='/slider on this host refused: it must call'):
        commander.require(SLIDER, 0.0)


def test_a_run_keeps_the_command_while_its_status_arrives(commander):
    commander.take([ACTOR, SLIDER], '/actor', 'run-1', 0.0)
    assert commander.held_by() == ('/actor', 'run-1')
    for now in range(10):
        assert commander.note_status('run-1', float(now))
        commander.require(ACTOR, now + 0.5)
    assert not commander.note_status('run-2', 9.5)
    with pytest.raises(CellError, match='/slider on this host refused: /actor .*of run run-1'):
        commander.require(SLIDER, 9.5)
    with pytest.raises(CellError, match='has the command; end it first'):
        commander.take([ACTOR, SLIDER], '/slider', '', 9.5)
    assert 'lost the command' in commander.check(9.0 + RUN_SILENCE)
    commander.take([ACTOR, SLIDER], '/slider', '', 12.0)


def test_a_pause_of_the_driver_is_no_silence_of_the_actor(commander):
    commander.check(0.0)
    commander.take([ACTOR], '/actor', 'run-1', 0.1)
    commander.check(0.2)
    commander.require(ACTOR, 5.2)  # stopped for 5 s
    assert commander.check(5.21) == ''
    for now in (5.4, 5.6):
        assert commander.check(now) == ''
    for now in (6.4, 7.0, 7.05):
        assert commander.check(now) == ''
    assert 'lost the command' in commander.check(5.1 + RUN_SILENCE + 0.05)


def test_a_plain_publisher_keeps_the_command_while_it_sends(commander):
    commander.take([SLIDER], '', '', 0.0)
    commander.require(SLIDER, FIRST_COMMAND - 0.1)
    commander.require(SLIDER, FIRST_COMMAND - 0.1 + PLAIN_SILENCE - 0.1)
    with pytest.raises(CellError, match='must call driver/take_command'):
        commander.require(SLIDER, FIRST_COMMAND + 2 * PLAIN_SILENCE)


def test_the_leaders_publisher_of_the_same_node_is_obeyed_too(commander):
    commander.take([ACTOR], '/actor', 'run-1', 0.0)
    commander.require(publisher('/actor', end=b'\x01'), 0.1)
    assert commander.held_by() == ('/actor', 'run-1')


def test_another_node_in_the_same_process_and_the_same_name_in_another_are_refused(commander):
    commander.take([ACTOR], '/actor', 'run-1', 0.0)
    commander.require(ACTOR, 0.0)
    for stranger in (publisher('/other'), publisher('/actor', b'z')):
        with pytest.raises(CellError, match='has the command'):
            commander.require(stranger, 0.1)


def test_two_nodes_without_a_name_in_the_request_get_nothing(commander):
    with pytest.raises(CellError, match='2 nodes publish joint commands'):
        commander.take([ACTOR, SLIDER], '', 'run-1', 0.0)
    with pytest.raises(CellError, match='publishes no joint commands here yet'):
        commander.take([SLIDER], '/actor', 'run-1', 0.0)


def test_a_restarted_actor_gets_the_command_although_discovery_lists_the_killed_one(commander):
    killed, restarted = ACTOR, publisher('/actor', b'z')
    commander.take([killed], '/actor', 'run-1', 0.0)
    commander.require(killed, 0.1)
    commander.take([killed, restarted], '/actor', 'run-1', 0.5)
    commander.require(restarted, 0.6)
    with pytest.raises(CellError, match='has the command'):
        commander.require(killed, 0.7)  # one of them, not both


def test_a_holder_that_has_ended_does_not_block_the_next(commander):
    commander.take([ACTOR], '/actor', 'run-1', 0.0)
    commander.take([SLIDER], '/slider', '', 0.1)
    assert commander.held_by() == ('/slider', '')


def test_a_publisher_that_ros_does_not_tell_is_refused(commander):
    commander.take([ACTOR], '/actor', 'run-1', 0.0)
    with pytest.raises(CellError, match='an unknown publisher'):
        commander.require(None, 0.1)


def test_another_host_is_named(commander):
    far = Publisher('/slider', b'\x01\x0fxx' + bytes(12))
    with pytest.raises(CellError, match='/slider on another host'):
        commander.require(far, 0.0)


def test_a_publisher_whose_name_is_not_known_yet_cannot_have_the_command(commander):
    nameless = publisher('', b'z')
    with pytest.raises(CellError, match='publishes no joint commands here yet'):
        commander.take([nameless], '', '', 0.0)
    commander.take([nameless, ACTOR], '', '', 0.0)
    with pytest.raises(CellError, match='a node without a name yet on this host'):
        commander.require(nameless, 0.1)
