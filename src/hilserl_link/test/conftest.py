import pytest

from hilserl_core.contract.tasks import make_task


@pytest.fixture(scope='session')
def schema():
    return make_task('grasp_lift', 'model')
