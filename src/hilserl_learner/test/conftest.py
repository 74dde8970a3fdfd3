"""The schema of these tests."""

from learner_support.learner_process import actor, environment  # noqa: F401
import pytest

from hilserl_core.contract.tasks import make_task


@pytest.fixture(scope='session')
def schema():
    return make_task('grasp_lift', 'test-model')
