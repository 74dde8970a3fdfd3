"""What an evaluation reports."""
import csv
import json
from types import SimpleNamespace

from hilserl_actor.evaluation import report, write
from hilserl_actor.tally import Tally
from hilserl_learner.steps import Outcome

SCHEMA = SimpleNamespace(name='grasp_lift', hash='ab', action_names=('a', 'b', 'c', 'd'))


def tally(*outcomes):
    result = Tally()
    for i, outcome in enumerate(outcomes):
        episode = SimpleNamespace(
            id=f'e{i}', steps=10 + i, human_steps=0, saturated=4, schema=SCHEMA)
        result.add(episode, outcome, 2.0 + i)
    return result


def test_success_comes_with_its_interval_and_time_and_discarded_episodes_do_not_count():
    data = report(tally(Outcome.SUCCESS, Outcome.TIMEOUT, Outcome.DISCARDED, Outcome.SUCCESS),
                  SimpleNamespace(version=3, updates=99), SCHEMA)
    assert (data['successes'], data['episodes'], data['policy_version']) == (2, 3, 3)
    assert data['median_seconds_to_success'] == 3.5     # of episodes 0 and 3
    assert 0 < data['interval'][0] < 2 / 3 < data['interval'][1] < 1
    assert data['summary'].startswith('2 of 3 episodes succeeded (67 %')


def test_the_files_hold_every_episode(tmp_path):
    write(report(tally(Outcome.SUCCESS, Outcome.FAILURE), None, SCHEMA), tmp_path / 'x' / 'e.json')
    data = json.loads((tmp_path / 'x' / 'e.json').read_text())
    with open(tmp_path / 'x' / 'e.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [r['outcome'] for r in rows] == ['success', 'failure']
    assert [r['episode_id'] for r in data['results']] == ['e0', 'e1']
    assert sorted(p.name for p in (tmp_path / 'x').iterdir()) == ['e.csv', 'e.json']


def test_an_evaluation_without_an_episode_is_no_success_rate():
    assert report(Tally(), None, SCHEMA)['success_rate'] is None
