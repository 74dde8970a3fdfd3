"""A demonstration's figures, and the reasons why it is poor."""

from actor_support.demonstrations import SCHEMA, records
import pytest

from hilserl_actor.loop.demonstration_quality import DemonstrationQuality
from hilserl_core.contract.steps import Outcome


def quality(**episode):
    """The figures of `records`."""
    result = DemonstrationQuality(SCHEMA)
    for step in records(**episode):
        result.add_record(step)
    return result


def test_a_good_demonstration_gives_one_sentence_and_no_warning():
    assert quality().sentence() == (
        'success, 42 steps in 4.2 s, no gap, saturated 0 %, moving 100 %'
    )
    assert quality().warnings() == []


@pytest.mark.parametrize(
    'changes, figure, warning',
    [
        ({'outcome': Outcome.TIMEOUT}, 'timeout, 42 steps', 'timed out without success'),
        ({'steps': 7}, '7 steps in 0.7 s', 'shorter than 1 s'),
        ({'missing': range(10, 14)}, '38 steps in 4.2 s, a gap of 0.5 s', '4 steps dropped'),
        ({'action': -1.0}, 'saturated 100 %', 'move slower'),
        ({'speed': 0.0}, 'moving 0 %', 'hardly moved'),
    ],
)
def test_a_poor_demonstration_is_reported_with_its_reason(changes, figure, warning):
    poor = quality(**changes)
    assert figure in poor.sentence()
    assert len(poor.warnings()) == 1 and warning in poor.warnings()[0]


def test_one_late_record_is_a_gap_but_no_warning():
    late = quality(pause=0.3)
    assert 'success, 42 steps in 4.5 s, a gap of 0.4 s' in late.sentence()
    assert late.warnings() == []
