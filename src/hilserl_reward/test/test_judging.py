"""Calibration, threshold, rule and the figures per episode, on numbers with a known result."""

import numpy as np
import pytest

from hilserl_reward.calibration import area_under_roc, calibration_error, fitted
from hilserl_reward.debounce import Debounce, Rule, read_gate
from hilserl_reward.episode_report import (
    THRESHOLDS,
    Trace,
    best_threshold,
    curve,
    report_on,
    verdict_of,
)
from hilserl_reward.familiarity import familiar_with
from hilserl_reward.labelled import LabelledEpisode
from so101_node.errors import CellError

RULE = Rule(2, 3)


def trace(probability, moment=None, sure=None, name='e'):
    probability = np.array(probability, float)
    labels = np.zeros(len(probability), np.int8)
    if moment is not None:
        labels[moment:] = 1
    sure = np.ones(len(probability), bool) if sure is None else np.array(sure, bool)
    episode = LabelledEpisode(
        name, (), np.zeros((len(labels), 1), np.float32), labels, moment, 10.0
    )
    return Trace(episode, probability, sure, sure)


def test_calibration_turns_scores_into_frequencies():
    rng = np.random.default_rng(0)
    logits = rng.normal(0.0, 3.0, 4000)
    true = 1.0 / (1.0 + np.exp(-(0.5 * logits - 1.0)))
    positive = rng.random(4000) < true
    found = fitted(logits, positive)
    assert found.slope == pytest.approx(0.5, abs=0.05) and found.offset == pytest.approx(
        -1.0, abs=0.15
    )
    before = 1.0 / (1.0 + np.exp(-logits))
    assert calibration_error(found.probability(logits), positive) < 0.02
    assert calibration_error(before, positive) > 0.1


def test_scores_that_are_told_apart_do_not_become_certain():
    logits = np.array([-30.0] * 50 + [30.0] * 5)
    probability = fitted(logits, logits > 0).probability(logits)
    assert probability[-1] == pytest.approx(6 / 7, abs=0.02)  # Platt's (n + 1) / (n + 2)


def test_area_under_roc_counts_pairs_and_ties():
    positive = np.array([True, False, True, False])
    assert area_under_roc(np.array([2.0, 1.0, 3.0, 0.0]), positive) == 1.0
    assert area_under_roc(np.array([0.0, 1.0, 1.0, 2.0]), positive) == pytest.approx(0.125)
    assert np.isnan(area_under_roc(np.ones(2), np.ones(2, bool)))


def test_one_odd_frame_gives_no_reward():
    votes = np.array([0, 1, 0, 0, 1, 0, 1, 1], bool)
    assert RULE.first(votes) == 6
    debounce = Debounce(RULE)
    assert [debounce.add_vote(bool(vote)) for vote in votes] == [False] * 6 + [True, True]
    debounce.reset()
    assert not debounce.add_vote(True)


@pytest.mark.parametrize('text', ['3/2', '0/3', '2', '2/3/4', '9/21', 'a/b'])
def test_a_rule_that_is_none_is_refused(text):
    with pytest.raises(CellError, match='rule'):
        Rule.read(text)


def test_a_gate_reads_one_value_of_the_state(schema):
    gate = read_gate('tool.z > 0.05', schema)
    states = np.zeros((2, len(schema.state_names)), np.float32)
    states[1, schema.state_names.index('tool.z')] = 0.06
    assert gate.open(states).tolist() == [False, True]
    assert read_gate(' ', schema) is None
    for wrong in ('tool.z', 'tool.z>x', '__import__("os")>1', 'tool.w>1'):
        with pytest.raises(CellError, match='gate'):
            read_gate(wrong, schema)


def test_each_verdict():
    assert verdict_of(trace([0, 0, 0.9, 0.9], 2), 0.5, RULE).verdict == 'right'
    assert verdict_of(trace([0, 0, 0.9, 0.9], 2), 0.5, RULE).delay == 1
    assert verdict_of(trace([0.9, 0.9, 0, 0] + [0] * 20, 20), 0.5, RULE).verdict == 'early'
    assert verdict_of(trace([0, 0, 0.9, 0], 2), 0.5, RULE).verdict == 'missed'
    assert verdict_of(trace([0, 0.9, 0.9]), 0.5, RULE).verdict == 'wrong'
    assert verdict_of(trace([0, 0.9, 0]), 0.5, RULE).verdict == 'none'


def test_a_frame_that_it_is_not_sure_of_gives_no_reward():
    assert verdict_of(trace([0, 0.9, 0.9, 0], sure=[1, 1, 0, 1]), 0.5, RULE).verdict == 'none'


def test_never_is_not_good_although_most_frames_are_right():
    traces = [trace([0.0] * 20, 18), trace([0.0] * 20)]
    report = report_on(traces, 0.5, RULE)
    assert report.recall == 0.0 and np.isnan(report.precision)
    assert any('rewards 0% of the successes' in each for each in report.problems())


def test_figures_are_counted_per_episode():
    good = [trace([0.0] * 18 + [0.9] * 4, 18, name=f'g{i}') for i in range(9)]
    bad = [trace([0.0] * 18 + [0.9] * 4, name='bad')]
    report = report_on(good + bad, 0.5, RULE)
    assert (report.recall, report.precision, report.false_per_100) == (1.0, 0.9, 10.0)
    assert report.false_per_hour == pytest.approx(3600 / (10 * 22 / 10.0))
    assert report.delay(50) == 1
    assert report.as_data()['episodes'][-1]['verdict'] == 'wrong'


def test_labels_that_are_too_early_are_a_problem():
    traces = [trace([0.0] * 15 + [0.9] * 8, 5), trace([0.0] * 20)]
    assert any('labels are too early' in each for each in report_on(traces, 0.5, RULE).problems())


def test_the_threshold_is_in_the_upper_part_of_those_that_are_best():
    traces = [trace([0.0] * 18 + [0.9] * 4, 18), trace([0.1] * 22)]
    points = curve(traces, RULE)
    chosen = best_threshold(points)
    assert 0.5 < chosen < 0.9
    assert verdict_of(traces[0], chosen, RULE).verdict == 'right'
    assert points.shape == (len(THRESHOLDS), 2) and points[0].tolist() == [1.0, 50.0]


def test_what_is_far_from_the_training_in_one_block_is_unfamiliar():
    rng = np.random.default_rng(0)
    usual = rng.normal(size=(500, 40)) @ np.diag([*np.ones(36), 5, 5, 0.1, 0.1])
    familiarity = familiar_with(usual, (36, 4), np.array([1.3, 2.0]))
    assert familiarity.distances(usual).mean(0) == pytest.approx([1.0, 0.95], abs=0.1)
    assert (familiarity.distance(usual) > 1.0).mean() < 0.03
    odd = np.zeros((1, 40))
    odd[0, 38] = 1.0  # ten of its standard deviations, in one of forty numbers
    assert familiarity.distance(odd)[0] > 2.0
