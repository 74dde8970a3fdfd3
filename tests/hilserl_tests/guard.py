"""The guard's run: the whole loop in simulated time on the shortest task, until it is good enough.

`python -m hilserl_tests.guard DIRECTORY` writes demonstrations, run and `curve.json` there. It
takes a minute of a core that nobody else wants, so the tests start it first and look at it last.
"""

from contextlib import suppress
from dataclasses import replace
import json
import os
from pathlib import Path
import sys

from hilserl_core.contract.tasks import make_task
from hilserl_learner.training.options import LearnerOptions
from hilserl_sim.training import record_demonstrations, train  # before MuJoCo
from so101_description.model import model_hash

EPISODES, ENOUGH = 30, 0.9
MINUTES = 10.0  # of the robot; a sound suite needs half of them
# Small frames and short episodes: a third of the time, and nothing that could break is left out.
SCHEMA = replace(make_task('reach', model_hash(), frame_size=32), max_steps=40)


def learn_to_reach(directory: Path, seed: int = 0) -> list[dict]:
    """Demonstrations and a run that ends as soon as it is good enough; returns its evaluations."""
    record_demonstrations(SCHEMA, directory / 'demos', 20, seed, 'plain')
    options = LearnerOptions(start='demos', demos=(str(directory / 'demos'),), seed=seed)
    progress = train(
        SCHEMA, directory / 'run', options, 'plain', MINUTES, 1.0, EPISODES, enough=ENOUGH
    )
    return [
        {
            'minutes': round(e.minutes, 1),
            'updates': e.updates,
            'successes': e.successes,
            'episodes': e.episodes,
        }
        for e in progress.evaluations
    ]


if __name__ == '__main__':
    with suppress(OSError):  # a system without that class: beside the others, then
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    out = Path(sys.argv[1])
    (out / 'curve.json').write_text(json.dumps(learn_to_reach(out)))
