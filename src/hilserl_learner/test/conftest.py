"""What the tests share: one schema."""
from hilserl_learner.tasks import make_task
import pytest


@pytest.fixture(scope='session')
def schema():
    return make_task('grasp_lift', 'test-model')
