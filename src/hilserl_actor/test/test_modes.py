"""The mode table is consistent, and an event that it does not list is refused."""

from pathlib import Path

import pytest

from hilserl_actor.loop.modes import TABLE, Mode, ModeMachine, markdown_table


def test_every_mode_has_a_row_and_every_exit_leads_to_a_mode():
    assert set(TABLE) == set(Mode)
    assert all(to in TABLE for row in TABLE.values() for to in row.exits.values())


def test_the_leader_has_no_torque_only_where_a_human_may_move_it():
    assert not TABLE[Mode.HUMAN].leader_torque
    assert all(TABLE[m].leader_torque for m in (Mode.POLICY, Mode.RESET, Mode.READY, Mode.EVAL))


def test_nothing_is_recorded_outside_an_episode():
    assert {m for m, row in TABLE.items() if row.recording} == {Mode.POLICY, Mode.HUMAN, Mode.EVAL}


def test_evaluation_cannot_be_taken_over():
    assert 'intervene' not in TABLE[Mode.EVAL].exits


@pytest.mark.parametrize('mode', [m for m in Mode if m is not Mode.ESTOP])
def test_emergency_stop_is_possible_in_every_mode_and_needs_an_explicit_reset(mode):
    machine = ModeMachine()
    machine.mode = mode
    assert machine.fire('estop', 'test')
    assert list(machine.row.exits) == ['estop_reset']


def test_a_refused_event_lists_the_possible_ones_and_changes_nothing():
    log = []
    machine = ModeMachine(log.append)
    assert not machine.fire('intervene', 'test')
    assert machine.mode is Mode.IDLE
    assert (
        'take over (i) is not possible in IDLE; possible: start (space), stop (x or v)' in log[0]
    )


@pytest.mark.parametrize('event', ['start', 'start_eval', 'start_human'])
def test_a_start_during_a_reset_is_told_to_wait(event):
    machine = ModeMachine()
    machine.fire('preflight', 'test')
    assert machine.refusal(event) == (
        'not yet: the arm is on its way to the start pose; start again in READY'
    )
    assert machine.mode is Mode.RESET


def test_a_refusal_names_only_what_a_person_can_ask_for():
    machine = ModeMachine()
    machine.mode = Mode.HUMAN
    assert machine.refusal('start_human') == (
        'start (space) is not possible in HUMAN; possible: give back (o), mark success (s), '
        'mark failure (f), discard (d), pause (p), stop (x or v)'
    )


def test_transitions_are_logged_with_their_cause():
    log = []
    ModeMachine(log.append).fire('preflight', 'the preflight passed')
    assert log == ['IDLE -> RESET: the preflight passed']


def test_the_documented_table_names_every_mode():
    assert all(f'| {mode.value} |' in markdown_table() for mode in Mode)


def test_the_architecture_page_shows_the_same_table():
    page = Path(__file__).resolve().parents[3] / 'docs' / 'architecture.md'
    assert markdown_table() in page.read_text()
