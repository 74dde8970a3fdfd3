"""A step that cannot be learned from, or be kept in a bag, has a reason."""

from dataclasses import replace

from core_support import record
import numpy as np
import pytest

from hilserl_core.contract.steps import problem


def test_a_good_step_has_no_problem(schema):
    assert problem(record(schema, 1), schema) == ''
    assert problem(record(schema, 1, last=True), schema) == ''


@pytest.mark.parametrize(
    'change, words',
    [
        ({'outcome': 77}, 'its outcome is 77'),
        ({'stamp': -1}, 'its stamp is -1'),
        ({'stamp': 0}, 'its stamp is 0'),
        ({'stamp': 1 << 63}, 'its stamp is'),
        ({'sigma': float('nan')}, 'its sigma is nan'),
        ({'reward': float('inf')}, 'its reward is inf'),
        ({'images': ()}, 'it has 0 images'),
        ({'source': 9}, 'its source is 9'),
        ({'state': np.zeros(0, np.float32)}, 'its state has 0 values'),
    ],
)
def test_a_step_with_an_impossible_value_has_a_reason(schema, change, words):
    assert words in problem(replace(record(schema, 1), **change), schema)
