"""What the tests share: one schema."""

from pathlib import Path
import sys

import pytest

from hilserl_core.contract.tasks import make_task


@pytest.fixture(scope='session')
def schema():
    return make_task('grasp_lift', 'test-model')


# The published results are not a package.
sys.path.insert(0, str(Path(__file__).parents[3] / 'bench'))
