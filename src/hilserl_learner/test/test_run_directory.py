"""A run directory belongs to one process and to one task."""

from dataclasses import replace
import os

import pytest

from hilserl_learner.training.run_directory import RunDirectory
from so101_node.errors import CellError


def test_a_run_directory_is_held_by_one_process_and_keeps_its_task(schema, tmp_path):
    run = RunDirectory(tmp_path / 'run', schema)
    assert not run.exists
    run.begin(schema, {'start': 'demos'})
    with pytest.raises(CellError, match=f'in use by process {os.getpid()}'):
        RunDirectory(tmp_path / 'run', schema)
    run.release()
    again = RunDirectory(tmp_path / 'run', schema)
    assert again.exists and again.settings == {'start': 'demos'}
    again.release()
    with pytest.raises(CellError, match='max_steps: 50 here, 100 there'):
        RunDirectory(tmp_path / 'run', replace(schema, max_steps=50))
    (tmp_path / 'run' / 'run.yaml').write_text('settings: [')
    with pytest.raises(CellError, match='run.yaml is damaged'):
        RunDirectory(tmp_path / 'run', schema)
