"""A learner takes the steps of a busy minute at once, but not those of a flood."""

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from hilserl_learner.training.step_budget import FACTOR, StepBudget, StepBudgets


def taken(budget, count):
    number = 0
    for _ in range(count):
        if not budget.problem():
            budget.take()
            number += 1
    return number


def test_steps_that_waited_are_taken_at_once_and_a_flood_at_a_bounded_rate():
    now = [0.0]
    budget = StepBudget(10.0, 2000, lambda: now[0])
    assert taken(budget, 5000) == 2000
    assert 'more steps arrive than an actor makes (10 in a second)' in budget.problem()
    flood = 0
    for _ in range(3000):  # of 1,000 steps in a second
        now[0] += 0.001
        flood += taken(budget, 1)
    assert flood == pytest.approx(3.0 * FACTOR * 10.0, abs=1)


def test_a_flood_of_one_publisher_costs_no_step_of_another():
    budgets = StepBudgets(10.0, 100, lambda: 0.0)
    assert taken(budgets.of(b'a'), 500) == 100
    assert taken(budgets.of(b'b'), 5) == 5
    for number in range(1000):  # one that comes with new names has no more for it
        budgets.of(b'%d' % number).take()
    assert taken(budgets.of(b'new'), 500) == 0
    assert taken(budgets.of(b'b'), 5) == 5


def test_an_actor_that_was_started_again_often_has_a_budget_of_its_own():
    now = [0.0]
    budgets = StepBudgets(10.0, 100, lambda: now[0])
    for start in range(20):
        assert taken(budgets.of(b'%d' % start), 50) == 50
        now[0] += 10.0
    taken(budgets.of(b''), 500)  # what publishers without an own budget share is spent
    assert taken(budgets.of(b'again'), 50) == 50


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 0.25), min_size=10, max_size=300))
def test_no_step_of_an_actor_is_refused_whatever_its_delay(delays):
    """Its steps are made at 10 in a second; each arrives a little later, in order."""
    now, budget = [0.0], None
    for i, delay in enumerate(delays):
        now[0] = max(now[0], 0.1 * i + delay)
        budget = budget or StepBudget(10.0, 10, lambda: now[0])
        assert budget.problem() == ''
        budget.take()


def test_what_the_link_delivers_is_never_refused_as_a_flood():
    budgets = StepBudgets(10.0, inf, lambda: 0.0)
    for number in range(10):
        assert taken(budgets.of(b'%d' % number), 3000) == 3000
