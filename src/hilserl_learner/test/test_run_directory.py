"""A run's directory: one process locks it, and run.yaml has the options of its start."""

from dataclasses import replace
import json
import os

import pytest
import yaml

from hilserl_learner.training.options import LearnerNodeOptions
from hilserl_learner.training.run_directory import RunDirectory
from so101_node.errors import CellError
from so101_node.options import checked


def test_a_run_directory_is_locked_by_one_process_and_keeps_its_task(schema, tmp_path):
    run = RunDirectory(tmp_path / 'run', schema)
    assert not run.exists
    assert run.path.stat().st_mode & 0o777 == 0o700  # other users cannot read it
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


def cell(**driver):
    return {'command': 'train', 'driver': {'max_speed': 2.0, **driver}, 'cell': {'run_for': 5.0}}


def test_run_yaml_has_the_options_of_the_first_start_and_later_changes(schema, tmp_path):
    run = RunDirectory(tmp_path / 'run', schema)
    run.begin(schema, {'start': 'demos'}, cell())
    assert run.resume(cell()) == []
    assert run.resume(cell() | {'cell': {'run_for': 9.0}}) == []  # the length of one start
    lines = run.resume(cell(max_speed=1.5))
    assert lines == ['driver.max_speed: 2.0 at first, 1.5 now']
    data = yaml.safe_load((run.path / 'run.yaml').read_text())
    assert data['cell'] == cell() and data['settings'] == {'start': 'demos'}
    assert [each['changed'] for each in data['resumed']] == [lines]
    for number in range(30):
        run.resume(cell(max_speed=0.1 + number))
    assert len(yaml.safe_load((run.path / 'run.yaml').read_text())['resumed']) == 20
    run.release()
    again = RunDirectory(run.path, schema)
    assert again.settings == {'start': 'demos'}
    again.release()


def test_the_options_of_the_whole_cell_are_written_to_run_yaml(tmp_path):
    options = checked(
        LearnerNodeOptions,
        {
            'run_dir': str(tmp_path / 'run'),
            'cell_options': json.dumps(cell()),
            'actors': 'a, b',
            'demos': '/x,/y',
        },
    )
    assert options.cell() == cell() and options.actors == ('a', 'b')
    settings = options.settings()
    assert settings['demos'] == ['/x', '/y'] and settings['start'] == 'demos'
    assert 'cell_options' not in settings
    with pytest.raises(CellError, match='cell_options is not JSON'):
        checked(LearnerNodeOptions, {'cell_options': '{'})
