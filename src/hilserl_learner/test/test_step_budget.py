"""A learner takes the steps of a busy minute at once, but not those of a flood."""

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from hilserl_learner.training.step_budget import FACTOR, StepBudget


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
