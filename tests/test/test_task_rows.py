"""The rows of docs/results/tasks.json: added once for each run, and found again."""

import pytest

from published import task_rows
from published.task_rows import TaskRow
from so101_node.errors import CellError


def row(minutes, successes=10, **changed):
    return TaskRow(
        **{
            'task': 'grasp_lift',
            'world': 'plain',
            'method': 'rl',
            'seed': 0,
            'episodes': 20,
            'successes': successes,
            'robot_minutes': minutes,
            'human_minutes': 0.0,
            'config': 'abc',
        }
        | changed
    )


def test_a_run_is_found_only_with_its_own_configuration_and_length(tmp_path):
    file = tmp_path / 'results' / 'tasks.json'
    run = task_rows.run_of(row(3.0))
    assert not task_rows.has_run(file, run, 3.0)
    task_rows.add(file, [row(2.0), row(3.0)])
    assert task_rows.has_run(file, run, 3.0)
    assert not task_rows.has_run(file, run, 6.0)
    assert not task_rows.has_run(file, task_rows.run_of(row(3.0, seed=1)), 3.0)
    assert not task_rows.has_run(file, task_rows.run_of(row(3.0, config='other')), 3.0)


def test_the_last_evaluation_of_a_minute_replaces_the_one_before(tmp_path):
    file = tmp_path / 'tasks.json'
    task_rows.add(file, [row(3.0, 5), row(3.0, 40, episodes=50), row(3.0, 1, seed=1)])
    assert [(r.seed, r.successes) for r in task_rows.read(file)] == [(0, 40), (1, 1)]


def test_the_table_has_a_line_for_each_run_with_its_end_and_interval():
    rows = [row(6.0, 19, human_minutes=0.5), row(3.0, 5), row(0.0, 75, episodes=100, method='bc')]
    _, _, bc, rl = task_rows.markdown(rows).split('\n')
    assert '| cloning alone | 0 | `abc` |  | 75 of 100 at 0 | 66 to 82 % | 0 |' in bc
    assert '| without help | 0 | `abc` | 5 of 20 at 3 | 19 of 20 at 6 | 76 to 99 % | 0.5 |' in rl


def test_a_damaged_row_is_one_sentence(tmp_path):
    file = tmp_path / 'tasks.json'
    task_rows.add(file, [row(3.0)])
    file.write_text(file.read_text().replace('"successes": 10', '"successes": 30'))
    with pytest.raises(CellError, match='30 successes in 20 episodes'):
        task_rows.read(file)
