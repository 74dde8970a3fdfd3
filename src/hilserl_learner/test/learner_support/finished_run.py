"""A finished run on disk, without learning: bags, metrics and evaluations."""

from dataclasses import replace
import json

from hilserl_core.bags.episode_bag import new_bag
from hilserl_core.contract.steps import Outcome, Source
from hilserl_learner.training.curves import open_curves
from hilserl_learner.training.options import LearnerOptions
from hilserl_learner.training.run_directory import RunDirectory
from learner_support.running_learner import episode

START = 1_800_000_000_000_000_000  # ns
LENGTH, REST = 6, 6_400_000_000  # steps; ns from an episode's last step to the next one's first


def finished_run(schema, tmp_path):
    """Ten episodes: helped, then failed, then good; an evaluation after each five."""
    directory = RunDirectory(tmp_path / 'lift', schema)
    directory.begin(schema, LearnerOptions(seed=3, world='hard').settings())
    now = START
    for number in range(10):
        kind = ('helped', 'failed', 'good')[min(number // 3, 2)]
        steps = episode(
            schema, f'e{number}', LENGTH, Outcome.TIMEOUT if kind == 'failed' else Outcome.SUCCESS
        )
        for i, step in enumerate(steps):
            source = step.source if step.last or kind == 'helped' else Source.POLICY
            steps[i] = replace(step, stamp=now, source=source, sigma=0.1)
            now += 100_000_000  # 10 Hz
        bag = new_bag(directory.bags, schema, steps[0])
        for step in steps:
            bag.write(step)
        bag.close()
        now += REST - 100_000_000
    board = open_curves('tensorboard', directory.tensorboard, 'lift', {})
    for name in ('q_mean', 'q_max', 'q_bound', 'target_mean', 'critic_loss', 'actor_loss'):
        for updates in range(0, 100, 10):
            board.updates({name: 0.5}, updates)
    board.close()
    for steps_of_run, rate in ((30, 0.6), (60, 0.95)):
        evaluation(directory.path, steps_of_run, rate)
    directory.release()
    return directory.path


def evaluation(path, env_steps, rate, world='hard'):
    directory = path / 'eval' / f'{env_steps}-{world}'
    directory.mkdir(parents=True)
    (directory / 'report.json').write_text(
        json.dumps(
            {
                'format': 'hilserl-evaluation-1',
                'summary': f'{rate}',
                'world': world,
                'seed': 3,
                'task': 'grasp_lift',
                'schema_hash': '',
                'wanted': 20,
                'complete': True,
                'successes': round(20 * rate),
                'results': [],
                'policy_env_steps': env_steps,
                'policy_version': 1,
                'policy_updates': env_steps,
                'episodes': 20,
                'success_rate': rate,
                'interval': [rate - 0.1, min(rate + 0.1, 1.0)],
                'median_seconds_to_success': 1.5,
            }
        )
    )
