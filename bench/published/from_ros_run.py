"""The result of a ROS run, from its bags (robot time) and its evaluations (success)."""

import json
from pathlib import Path

from hilserl_core.bags.episode_bag import find_bags
from hilserl_learner.agent.config import ALGORITHMS
from hilserl_learner.report.run_record import read_run
from published.run_results import RunResult, config_hash, minutes_to, options_of
from so101_node.errors import CellError


def result_of_run(path: Path) -> RunResult:
    """The result of a run that `./cell eval checkpoint:=all` has measured, for `run_results.add`.

    CellError if the run has no evaluation in the world of its training.
    """
    run = read_run(path)
    settings = run.file.settings
    options, world = options_of(settings), settings.get('world', '')
    measured = [data for data in run.evaluations if data.get('world') == world]
    if not measured:
        raise CellError(
            f'run {path.name}: no evaluation in its world {world!r}; run '
            f'./cell eval run:={path.name} checkpoint:=all world:={world}'
        )
    curve = [
        (
            round(run.minutes_of(data['policy_env_steps']), 1),
            data['success_rate'],
            data['episodes'],
        )
        for data in measured
    ]
    last = measured[-1]
    if options.algorithm not in ALGORITHMS:
        raise CellError(
            f'run {path.name} is of {options.algorithm}; results are stored of the algorithms of '
            'this suite: ' + ', '.join(ALGORITHMS)
        )
    kind = type(ALGORITHMS[options.algorithm])
    agent = kind.from_json(json.dumps(run.agent)) if run.agent else None
    demos = sum(len(find_bags(Path(directory))) for directory in options.demos)
    return RunResult(
        task=run.schema.name,
        world=world,
        seed=options.seed,
        run=path.name,
        minutes_to_90=minutes_to(curve),
        success=last['success_rate'],
        interval=(round(last['interval'][0], 3), round(last['interval'][1], 3)),
        episodes=last['episodes'],
        robot_minutes=curve[-1][0],
        graph='ros',
        config=config_hash(run.schema, options, demos, agent),
        curve=curve,
        updates=last['policy_updates'],
        seconds_to_success=last['median_seconds_to_success'],
    )
