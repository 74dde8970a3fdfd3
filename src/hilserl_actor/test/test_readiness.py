"""When the cell may leave IDLE, with results of the preflight from a list."""

from types import SimpleNamespace

import pytest

from hilserl_actor.loop.modes import Mode
from hilserl_actor.loop.preflight import POLICY, Check
from hilserl_actor.loop.readiness import PERIOD, REQUIRED, Readiness

NO_POLICY = [Check('camera', ''), Check(POLICY, 'no policy yet')]
GOOD, BAD = [Check('camera', ''), Check('policy', '')], [Check('camera', 'no image yet')]


class Cell:
    """A loop and its preflight, as far as Readiness uses them."""

    def __init__(self, auto_start=True):
        self.results = []  # of the next preflights
        self.second_cell = ''
        self.requests = []
        self.loop = SimpleNamespace(
            machine=SimpleNamespace(mode=Mode.IDLE),
            message='',
            request=lambda event, cause: self.requests.append(event),
        )
        preflight = SimpleNamespace(
            run=lambda: self.results.pop(0),
            second_cell_problem=lambda: self.second_cell,
            publisher_problem=str,
        )
        self.readiness = Readiness(preflight, self.loop, auto_start)
        self.now = 100.0

    def run(self, *results):
        self.results = list(results)
        while self.results:
            self.now += 1.01 * PERIOD
            self.readiness.update(self.now)


def test_before_the_first_preflight_a_start_is_refused():
    assert 'the first preflight is still running' in Cell().readiness.refusal


def test_a_problem_refuses_a_start_and_is_in_the_status():
    cell = Cell()
    cell.run(BAD)
    assert cell.readiness.refusal == cell.loop.message == 'not ready: no image yet'
    cell.run(GOOD)
    assert cell.readiness.refusal == ''


def test_the_cell_starts_by_itself_only_after_enough_good_preflights_in_a_row():
    cell = Cell()
    cell.run(*[GOOD] * (REQUIRED - 1), BAD, *[GOOD] * (REQUIRED - 1))
    assert not cell.readiness.passed and not cell.requests
    cell.run(GOOD)
    assert cell.readiness.passed and cell.requests == ['preflight']


def test_the_time_that_a_policy_takes_to_come_counts_for_the_other_checks():
    cell = Cell()
    cell.run(*[NO_POLICY] * REQUIRED)
    assert not cell.readiness.passed and not cell.requests
    assert cell.readiness.refusal == 'not ready: no policy yet'
    cell.run(GOOD)
    assert cell.readiness.passed and cell.requests == ['preflight']
    cell = Cell()
    cell.run(*[NO_POLICY] * (REQUIRED - 1), BAD, GOOD)
    assert not cell.readiness.passed and not cell.requests


def test_without_auto_start_the_cell_waits_for_the_operator():
    cell = Cell(auto_start=False)
    cell.run(*[GOOD] * REQUIRED)
    assert cell.readiness.passed and not cell.requests


@pytest.mark.parametrize('mode', [mode for mode in Mode if mode is not Mode.IDLE])
def test_outside_idle_only_a_second_cell_is_looked_for(mode):
    cell = Cell()
    cell.loop.machine.mode, cell.second_cell = mode, '2 drivers'
    cell.readiness.update(cell.now)  # `run` would take a result from the empty list
    assert cell.readiness.second_cell == '2 drivers'


def test_between_two_periods_nothing_is_checked():
    cell = Cell()
    cell.run(GOOD)
    cell.results = [BAD]
    cell.readiness.update(cell.now + 0.5 * PERIOD)
    assert cell.results == [BAD]
