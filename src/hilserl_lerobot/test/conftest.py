"""A run of two demonstrations in the in-process simulation, made once."""

import pytest

from hilserl_core.contract.tasks import make_task
from hilserl_sim.training import record_demonstrations  # before MuJoCo
from so101_description.model import model_hash


@pytest.fixture(scope='session')
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp('runs') / 'demos'
    (directory / 'bags').mkdir(parents=True)
    record_demonstrations(make_task('reach', model_hash()), directory / 'bags', 2, 0, 'plain')
    return directory
