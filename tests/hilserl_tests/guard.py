"""The guard: trains the in-process simulation on the shortest task until it is good enough.

`python -m hilserl_tests.guard DIRECTORY [ALGORITHM]` writes demonstrations, run and `curve.json`
there. It needs a minute of an idle core, so the tests start it first and check it last.
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
MINUTES = 10.0  # robot time; a correct suite needs half of it
# Small images and short episodes take a third of the time and use the same code.
SCHEMA = replace(make_task('reach', model_hash(), frame_size=32), max_steps=40)


def learn_to_reach(
    directory: Path, algorithm: str = 'cell', seed: int = 0
) -> list[dict[str, float]]:
    """Record demonstrations and train until it is good enough; return the evaluations."""
    record_demonstrations(SCHEMA, directory / 'demos', 20, seed, 'plain')
    options = LearnerOptions(
        algorithm=algorithm, start='demos', demos=(str(directory / 'demos'),), seed=seed
    )
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
    with suppress(OSError):  # no such scheduling class on this system: run with normal priority
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    out = Path(sys.argv[1])
    chosen = sys.argv[2] if len(sys.argv) > 2 else 'cell'
    (out / 'curve.json').write_text(json.dumps(learn_to_reach(out, chosen)))
