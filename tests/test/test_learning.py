"""The guard: the suite still learns. The whole loop, in simulated time, on the shortest task.

Breaking the learner, the replay or the way of an action makes it fail; `Reach` is what a script
that breaks them uses too.
"""
from dataclasses import replace
from pathlib import Path

from hilserl_learner.learner_options import LearnerOptions
from hilserl_learner.tasks import make_task
from hilserl_tests.stepped_training import record_demonstrations, train
from so101_description.model import model_hash

EPISODES, ENOUGH = 30, 0.9
MINUTES = 10.0                     # of the robot; a sound suite needs half of them


def learn_to_reach(directory: Path, seed: int = 0):
    """Demonstrations and a run that ends as soon as it is good enough."""
    schema = replace(make_task('reach', model_hash(), frame_size=32), max_steps=40)
    record_demonstrations(schema, directory / 'demos', 20, seed, 'plain')
    options = LearnerOptions(start='demos', demos=(str(directory / 'demos'),), seed=seed)
    return train(schema, directory / 'run', options, 'plain', MINUTES, 1.0, EPISODES,
                 enough=ENOUGH)


def test_it_learns_to_reach_the_cube_from_the_image(tmp_path):
    progress = learn_to_reach(tmp_path)
    curve = [(round(e.minutes, 1), e.updates, e.successes, e.episodes)
             for e in progress.evaluations]
    print(curve)
    last = progress.evaluations[-1]
    assert last.episodes == EPISODES and last.success >= ENOUGH, curve
