"""The task of these tests: small images."""

import pytest

from hilserl_core.contract.tasks import make_task
from so101_description.model import model_hash


@pytest.fixture(scope='session')
def schema():
    return make_task('grasp_lift', model_hash(), frame_size=32)
