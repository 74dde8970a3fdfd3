"""Success detectors from 40 labelled episodes, measured against the world's own success."""

import argparse
from dataclasses import replace
from pathlib import Path
import shlex
import sys
import time

import numpy as np
import torch

from hilserl_actor.loop.interfaces import RewardSignal
from hilserl_core.contract.tasks import make_task
from hilserl_learner.training.options import LearnerOptions
from hilserl_reward.detector import SuccessDetector
from hilserl_reward.episode_report import report_on
from hilserl_reward.labelled import NEGATIVE, POSITIVE, UNLABELLED, read_labelled
from hilserl_reward.network import read_encoder
from hilserl_reward.training import TrainingOptions, judged, train
from hilserl_sim import training as simulation  # first: it chooses MuJoCo's renderer
from hilserl_sim.labelled_episodes import record_labelled
from published import reward_rows
from so101_description.model import model_hash
from so101_node.errors import CellError

DOCS = Path(__file__).parents[1] / 'docs'
PAGE, ROWS = DOCS / 'reward.md', DOCS / 'results' / 'reward.json'
TRAINED_IN = {
    'plain': {'plain': 20},
    'hard': {'hard': 20},
    'plain, hard': {'plain': 10, 'hard': 10},
}
MEASURED_IN = ('plain', 'hard', 'hold_out')
TEST = 50  # successes, and near misses, of each world
EXACT = 0.3  # s: a reward earlier than this before the world's success is false
SEEDS = {'train': 1, 'test': 7}
LABELS = {  # how the labels are made wrong
    'of other episodes': lambda episodes: _permuted(episodes),
    'success and failure swapped': lambda episodes: [_inverted(each) for each in episodes],
    '1.5 s too early': lambda episodes: [_early(each, 15) for each in episodes],
}


class DetectorJudge:
    """A success detector as the reward source of a simulated cell."""

    def __init__(self, detector):
        self._detector, self._signal = detector, RewardSignal(0.0)

    def see(self, step):
        """Judge a step."""
        if step.last:
            self._signal = RewardSignal(0.0)
        else:
            found = self._detector.see(step.episode_id, step.images, step.state)
            self._signal = RewardSignal(float(found.reward), found.reward)

    def signal(self):
        """Return the reward signal."""
        return self._signal


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--task', default='grasp_lift')
    parser.add_argument(
        '--dir', type=Path, required=True, help='directory of episodes and detectors; kept'
    )
    parser.add_argument(
        '--encoder', type=Path, help='measure the encoder of this policy, in place of a new one'
    )
    parser.add_argument(
        '--trained-in', choices=TRAINED_IN, help='worlds of the training episodes (default: each)'
    )
    parser.add_argument('--wrong-labels', action='store_true', help='measure these, and no other')
    parser.add_argument(
        '--train-minutes', type=float, default=0.0, help='train policies for this time instead'
    )
    parser.add_argument('--reward', choices=('world', 'detector'), help='of that training')
    parser.add_argument('--seed', type=int, default=0, help='of that training')
    parser.add_argument('--out', type=Path, default=ROWS, help='file for the rows')
    parser.add_argument('--page', action='store_true', help='write the tables of docs/reward.md')
    return parser.parse_args()


def command() -> str:
    """Return this command as a person types it."""
    return './cell bench reward ' + shlex.join(sys.argv[1:])


def recorded(schema, options, kind, world, count):
    """Return the directory of these episodes; record them if it is not there."""
    directory = options.dir / f'{kind}-{world}-{count}'
    if not directory.exists():
        began = time.monotonic()
        beside = directory.with_suffix('.new')
        minutes = record_labelled(
            schema, beside, (count, count), SEEDS[kind], world, exact=kind == 'test'
        )
        beside.rename(directory)
        took = time.monotonic() - began
        print(f'{directory}: {minutes:.1f} robot minutes, {took:.0f} s', flush=True)
    return directory


def labelled(schema, options, trained_in):
    """Return the training episodes of some worlds, with the labels of a late operator."""
    runs = [
        recorded(schema, options, 'train', world, count)
        for world, count in TRAINED_IN[trained_in].items()
    ]
    return read_labelled([str(run) for run in runs], options.dir, reaction=0.2)


def milliseconds(detector, episode):
    """Return the time of one frame on one core, ms: the median of 200."""
    torch.set_num_threads(1)
    times = []
    for number in range(200):
        at = number % len(episode)
        began = time.perf_counter()
        detector.see('e', [images[at] for images in episode.images], episode.states[at])
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1e3


def trained(found, how, file):
    """Train a detector from labelled episodes, save it and print its report. Return it."""
    result = train(found, how)
    result.detector.save(file)
    report = result.report
    print(file.name, *report.sentences(), *report.problems(), sep='\n  ', flush=True)
    return result.detector


def measure(schema, options):
    """Add a row for each training and world."""
    features, how = 'scratch', TrainingOptions()
    if options.encoder:
        config, encoder = read_encoder(options.encoder, schema)
        features, how = 'encoder of a policy', TrainingOptions(config=config, encoder=encoder)
    for trained_in in [options.trained_in] if options.trained_in else TRAINED_IN:
        found = labelled(schema, options, trained_in)
        name = f'{features.split()[0]}-{trained_in.replace(", ", "-")}.safetensors'
        detector = trained(found, how, options.dir / name)
        for world in MEASURED_IN:
            directory = recorded(schema, options, 'test', world, TEST)
            tested = read_labelled([str(directory)], options.dir, EXACT, 0.0).episodes
            report = report_on(
                judged(detector, tested), detector.settings.threshold, detector.rule, EXACT
            )
            data = report.as_data()
            row = reward_rows.Detector(
                features=features,
                task=schema.name,
                trained_in=trained_in,
                world=world,
                train_episodes=len(found.episodes),
                ms_per_image=round(milliseconds(detector, tested[0]), 2),
                command=command(),
                **{
                    key: round(data[key], 4) if data[key] is not None else None
                    for key in (
                        'test_episodes',
                        'precision',
                        'recall',
                        'false_positives_per_100_episodes',
                        'false_positives_per_hour',
                        'delay_steps_p50',
                        'unsure_share',
                        'area_under_roc',
                    )
                },
            )
            print(f'in {world}:', *report.sentences(), sep='\n  ', flush=True)
            reward_rows.add(options.out, detectors=[row])


def _inverted(episode, tail=2, margin=10):
    labels = np.full(len(episode), NEGATIVE, np.int8)
    if episode.succeeded:
        return replace(episode, labels=labels, moment=None)
    moment = len(episode) - 1 - tail
    labels[max(0, moment - margin) :] = UNLABELLED
    labels[moment:] = POSITIVE
    return replace(episode, labels=labels, moment=moment)


def _early(episode, steps, margin=10):
    if not episode.succeeded:
        return episode
    moment = max(0, episode.moment - steps)
    labels = np.full(len(episode), NEGATIVE, np.int8)
    labels[max(0, moment - margin) :] = UNLABELLED
    labels[moment:] = POSITIVE
    return replace(episode, labels=labels, moment=moment)


def _permuted(episodes):
    kinds = np.random.default_rng(0).permutation([each.succeeded for each in episodes])
    return [
        each if each.succeeded == kind else _inverted(each)
        for each, kind in zip(episodes, kinds, strict=True)
    ]


def measure_wrong_labels(schema, options):
    """Add a row for each kind of wrong labels."""
    found = labelled(schema, options, 'plain')
    for name, change in LABELS.items():
        report = train(replace(found, episodes=change(found.episodes)), TrainingOptions()).report
        problems = report.problems()
        says = problems[0].split(';')[0] if problems else report.sentences()[0]
        print(f'labels {name}:', *report.sentences(), *problems, sep='\n  ', flush=True)
        row = reward_rows.WrongLabels(
            labels=name, caught=bool(problems), says=says, command=command()
        )
        reward_rows.add(options.out, wrong_labels=[row])


def train_policy(schema, options):
    """Train a policy with the reward of the world or of the detector, and add its row."""
    demos = options.dir / 'demos'
    if not demos.exists():
        simulation.record_demonstrations(schema, demos, 20, 0, 'plain')
    judge = None
    if options.reward == 'detector':
        path = options.dir / 'scratch-plain.safetensors'
        if not path.exists():
            trained(labelled(schema, options, 'plain'), TrainingOptions(), path)
        judge = DetectorJudge(SuccessDetector.load(path, schema))
    torch.set_num_threads(1)
    progress = simulation.train(
        schema,
        options.dir / f'policy-{options.reward}-{options.seed}',
        LearnerOptions(start='demos', demos=(str(demos),), seed=options.seed),
        'plain',
        options.train_minutes,
        options.train_minutes,
        TEST,
        judge=judge,
    )
    last = progress.evaluations[-1]
    row = reward_rows.Training(
        task=schema.name,
        reward=options.reward,
        seed=options.seed,
        successes=last.successes,
        episodes=last.episodes,
        robot_minutes=round(last.minutes, 2),
        command=command(),
    )
    print(row, flush=True)
    reward_rows.add(options.out, training=[row])


def main():
    """Measure."""
    options = parse()
    schema = make_task(options.task, model_hash())
    options.dir.mkdir(parents=True, exist_ok=True)
    if options.page:
        text = PAGE.read_text(encoding='utf-8')
        rows = reward_rows.read(options.out)
        PAGE.write_text(reward_rows.page(text, rows), encoding='utf-8')
    elif options.wrong_labels:
        measure_wrong_labels(schema, options)
    elif options.train_minutes:
        train_policy(schema, options)
    else:
        measure(schema, options)


if __name__ == '__main__':
    try:
        main()
    except CellError as error:
        sys.exit(f'cell bench reward: {error}')
