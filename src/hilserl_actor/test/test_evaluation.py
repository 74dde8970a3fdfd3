"""The files of an evaluation, with the real loop, real policies and real bags."""

import csv
import json
import threading

from actor_support.simulated_bench import SCHEMA, SimulatedBench, make_policy
import numpy as np
from PIL import Image
import pytest
from rosbags.highlevel import AnyReader

from hilserl_actor.evaluation.plot import plot
from hilserl_actor.evaluation.report import read_results, report, write
from hilserl_actor.evaluation.runner import EvaluationRunner
from hilserl_actor.loop.episode_stats import EpisodeResult, EpisodeStats
from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.contract.evaluation_report import read_report as read
from hilserl_core.policy.bundle import pack
from so101_node.errors import CellError

ABOUT = {'world': 'simulated', 'seed': 0}


def stats(*outcomes):
    result = EpisodeStats()
    result.results = [
        EpisodeResult(f'e{i}', outcome, 2.0 + i, 10 + i, 0, 0.1)
        for i, outcome in enumerate(outcomes)
    ]
    return result


def test_success_comes_with_its_interval_and_time():
    data = report(stats('success', 'timeout', 'success'), make_policy(3), ABOUT, 3)
    assert (data['successes'], data['episodes'], data['policy_version']) == (2, 3, 3)
    assert data['median_seconds_to_success'] == 3.0  # of episodes 0 and 2
    assert 0 < data['interval'][0] < 2 / 3 < data['interval'][1] < 1
    assert data['summary'].startswith('2 of 3 episodes succeeded (67 %')
    assert data['complete'] and data['world'] == 'simulated'
    assert not report(stats('success'), make_policy(), ABOUT, 3)['complete']
    assert report(EpisodeStats(), make_policy(), ABOUT, 3)['success_rate'] is None


def test_the_files_hold_every_episode_and_can_be_read_back(tmp_path):
    write(report(stats('success', 'failure'), make_policy(), ABOUT, 5, {'e1'}), tmp_path / 'x')
    data = json.loads((tmp_path / 'x' / 'report.json').read_text())
    with open(tmp_path / 'x' / 'episodes.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [r['outcome'] for r in rows] == ['success', 'failure']
    assert [r['bag'] for r in data['results']] == ['', 'bags/e1']
    assert sorted(p.name for p in (tmp_path / 'x').iterdir()) == ['episodes.csv', 'report.json']
    assert read_results(tmp_path / 'x').results == stats('success', 'failure').results
    assert read_results(tmp_path / 'nothing').results == []
    (tmp_path / 'x' / 'report.json').write_text('{"format"')
    with pytest.raises(CellError, match='is damaged'):
        read(tmp_path / 'x')


class EvaluationBench:
    """A control loop with an evaluation runner, as in the actor node."""

    def __init__(self, tmp_path, policies=1, episodes=3, keep='failures'):
        files = []
        tmp_path.mkdir(exist_ok=True)
        for number in range(1, policies + 1):
            policy = make_policy(number)
            path = tmp_path / f'{number}.safetensors'
            path.write_bytes(
                pack(
                    SCHEMA,
                    policy.network,
                    policy.encoder,
                    policy.actor,
                    number,
                    10 * number,
                    100 * number,
                )
            )
            files.append(path)
        self.log = []
        self.directories = [tmp_path / 'run' / 'eval' / str(i) for i in range(policies)]
        self.runner = EvaluationRunner(
            files,
            self.directories,
            SCHEMA,
            episodes,
            keep,
            ABOUT,
            self.log.append,
            self.start_thread,
        )
        self.top = SimulatedBench('eval', policy=False, emit=self.runner.record_step)
        self.starts = []
        self.offer_policy()

    def start_thread(self, function):
        thread = threading.Thread(target=function)
        thread.start()
        return thread

    def offer_policy(self):
        self.top.loop.stats = self.runner.stats
        self.top.loop.offer(self.runner.policy)

    def episode(self, success):
        """One episode; returns whether the runner goes on."""
        if self.top.mode == 'IDLE':
            self.top.ready()
        while self.top.mode != 'READY':
            self.top.tick()
        self.starts.append(self.top.sensed().tool)
        self.top.loop.request('start', 'test')
        self.top.tick(5)
        self.top.loop.request('success' if success else 'failure', 'test')
        self.top.tick()
        going_on = self.runner.advance()
        self.offer_policy()
        return going_on


@pytest.mark.slow
def test_failed_episodes_leave_a_bag_that_stock_tools_read(tmp_path):
    bench = EvaluationBench(tmp_path)
    assert [bench.episode(success) for success in (True, False, True)] == [True, True, False]
    rows = read(bench.directories[0])['results']
    assert [row['bag'] != '' for row in rows] == [False, True, False]
    (bag,) = open_bags(bench.directories[0] / 'bags')
    assert bag.directory == bench.directories[0] / rows[1]['bag']
    assert [s.index for s in bag.steps()] == [0, 1, 2, 3, 4, 5]
    with AnyReader([bag.directory]) as reader:
        assert {c.topic: c.msgcount for c in reader.connections}['/hilserl/step'] == 6
    assert '2 of 3 episodes succeeded' in bench.log[-2]


@pytest.mark.slow
def test_each_policy_has_the_same_start_poses(tmp_path):
    bench = EvaluationBench(tmp_path, policies=2, keep='all')
    going = [bench.episode(success) for success in (False, False, True, True, True, True)]
    assert going == [True] * 5 + [False]
    assert np.allclose(bench.starts[:3], bench.starts[3:], atol=1e-3)
    assert not np.allclose(bench.starts[0], bench.starts[1], atol=1e-3)
    first, second = map(read, bench.directories)
    assert (first['successes'], second['successes']) == (1, 3)
    assert (first['policy_env_steps'], second['policy_env_steps']) == (100, 200)
    assert first['policy_sha256'] != second['policy_sha256']
    assert [len(open_bags(d / 'bags')) for d in bench.directories] == [3, 3]
    with Image.open(tmp_path / 'run' / 'eval' / 'success.png') as picture:
        assert picture.size == (960, 540)
        assert len(picture.convert('L').getcolors()) > 20  # something is drawn


@pytest.mark.slow
def test_an_interrupted_evaluation_keeps_its_results_and_continues_with_the_next_situation(
    tmp_path,
):
    whole = EvaluationBench(tmp_path / 'whole')
    for _ in range(3):
        whole.episode(True)
    bench = EvaluationBench(tmp_path / 'cut')
    bench.episode(True)
    bench.runner.close()
    assert 'interrupted after 1 of 3 episodes' in bench.log[-1]
    assert not read(bench.directories[0])['complete']
    bench = EvaluationBench(tmp_path / 'cut')
    assert '1 of 3 episodes done' in bench.log[0]
    assert [bench.episode(False), bench.episode(False)] == [True, False]
    assert np.allclose(bench.starts, whole.starts[1:], atol=1e-3)
    data = read(bench.directories[0])
    assert (data['successes'], data['episodes'], data['complete']) == (1, 3, True)


def test_a_damaged_policy_is_found_before_the_first_episode(tmp_path):
    (tmp_path / 'bad').write_bytes(b'no policy')
    with pytest.raises(CellError, match='damaged'):
        EvaluationRunner(
            [tmp_path / 'bad'], [tmp_path / 'x'], SCHEMA, 3, 'all', ABOUT, print, None
        )
    assert not (tmp_path / 'x').exists()


def test_without_evaluations_there_is_no_plot(tmp_path):
    assert plot(tmp_path) is None


def test_an_evaluation_of_a_hundred_successes_is_plotted(tmp_path):
    # the interval's upper bound used to be rounded to just below 1, which no plot takes
    data = report(stats(*['success'] * 100), make_policy(), ABOUT, 100)
    write(data, tmp_path / 'eval' / 'a')
    assert plot(tmp_path / 'eval') == tmp_path / 'eval' / 'success.png'


def test_a_report_whose_interval_misses_its_rate_by_rounding_is_plotted(tmp_path):
    # as 0.1.0 has written it
    data = report(stats(*['success'] * 100), make_policy(), ABOUT, 100)
    data['interval'][1] = 1 - 2**-53
    write(data, tmp_path / 'eval' / 'a')
    assert plot(tmp_path / 'eval').exists()


def test_an_error_of_the_plot_does_not_fail_the_evaluation(tmp_path, monkeypatch):
    def broken(_):
        raise ValueError('no font')

    monkeypatch.setattr('hilserl_actor.evaluation.runner.plot', broken)
    bench = EvaluationBench(tmp_path, episodes=1)
    assert bench.episode(True) is False
    assert read(bench.directories[0])['complete']
    assert bench.log[-1].startswith('the evaluations cannot be plotted (ValueError: no font)')
    assert '\n' not in bench.log[-1]
