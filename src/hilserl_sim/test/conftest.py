"""The task of these tests: the shortest one, with small images."""

from dataclasses import replace

import pytest

from hilserl_core.contract.tasks import make_task
import hilserl_sim  # noqa: F401  it chooses MuJoCo's renderer, before MuJoCo is imported
from so101_description.model import model_hash


@pytest.fixture(scope='session')
def schema():
    return replace(make_task('reach', model_hash(), frame_size=32), max_steps=40)
