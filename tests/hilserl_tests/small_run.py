"""A small recorded run, made in the in-process simulation: something to try commands on.

It has two demonstrations, a few episodes with updates, and a checkpoint. The policy has learned
nothing.
"""

from pathlib import Path

from hilserl_core.contract.tasks import make_task
from hilserl_learner.training.options import LearnerOptions
from hilserl_sim.training import record_demonstrations, train  # before MuJoCo
from so101_description.model import model_hash

TASK = 'reach'  # the shortest one
MINUTES = 0.5  # of robot time
RUN = 'lift'  # its name


def make_small_run(runs: Path) -> None:
    """Make `runs`/demos and `runs`/RUN."""
    schema = make_task(TASK, model_hash())
    demos = runs / 'demos' / 'bags'
    demos.mkdir(parents=True)
    record_demonstrations(schema, demos, 2, 0, 'plain')
    options = LearnerOptions(
        start='demos', demos=(str(demos),), pretrain_updates=2, update_ratio=0.02, batch_size=16
    )
    train(schema, runs / RUN, options, 'plain', MINUTES, 10 * MINUTES, 1)
