"""What run.yaml says of a run's starts."""

import json

import pytest
import yaml

from hilserl_learner.training.options import LearnerNodeOptions
from hilserl_learner.training.run_directory import RunDirectory
from so101_node.errors import CellError
from so101_node.options import checked


def cell(**driver):
    return {'command': 'train', 'driver': {'max_speed': 2.0, **driver}, 'cell': {'run_for': 5.0}}


def test_run_yaml_holds_the_first_start_whole_and_what_changed_later(schema, tmp_path):
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


def test_what_the_learner_node_is_told_of_the_cell_goes_to_run_yaml(tmp_path):
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
