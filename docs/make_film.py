"""Render docs/training.gif: the simulated cell learns, with take-overs, then acts alone.

It records demonstrations and trains in the in-process simulation; this takes some minutes of
processor time.
The scripted operator does what a person at the leader arm does.
"""

import argparse
import os
from pathlib import Path
import tempfile

os.environ.setdefault('MUJOCO_GL', 'egl')

import cv2
import numpy as np

from hilserl_core.contract.steps import Outcome, Source
from hilserl_core.contract.tasks import make_task
from hilserl_learner.film import drawing
from hilserl_learner.film.video_file import write_film
from hilserl_learner.training.options import LearnerOptions
from hilserl_sim.cell import SimulatedCell
from hilserl_sim.learner import SimulatedLearner
from hilserl_sim.training import EVALUATION_SEED, record_demonstrations
from so101_description.model import model_hash
from so101_sim.world import CameraRenderer

HEIGHT, WIDTH, BAR = 264, 352, 40  # of the overview, and of the caption, pixels
SPEED = 1.5  # of the film
ATTEMPTS = 2  # of the policy alone, the first ones


class Filmed:
    """A cell whose last episode is kept as pictures and steps."""

    def __init__(self, schema, role, seed, sigma, emit, watch=False):
        self.recording = True  # whether pictures are made
        self.pictures, self.steps = [], []
        self.finished = []  # (outcome, steps, pictures) of each episode
        self._emit = emit
        self.cell = SimulatedCell(schema, role, seed, sigma=sigma, emit=self._on_step, watch=watch)
        world = self.cell.world
        world.model.vis.quality.offsamples = 4
        self._renderer = CameraRenderer(world, 'overview', WIDTH, HEIGHT)

    def _on_step(self, step):
        self._emit(step)
        if not self.recording:
            return
        if step.index == 0:
            self.pictures, self.steps = [], []
        view = self._renderer.render().copy()
        large = step.images[0].repeat(HEIGHT // 64 + 1, axis=0).repeat(HEIGHT // 64 + 1, axis=1)
        seen = cv2.resize(large, (HEIGHT, HEIGHT), interpolation=cv2.INTER_AREA)
        self.pictures.append(np.hstack([view, np.full((HEIGHT, 4, 3), 255, np.uint8), seen]))
        self.steps.append(step)
        if step.last:
            self.finished.append((Outcome(step.outcome), self.steps, self.pictures))

    def close(self):
        """Free the renderers."""
        self._renderer.close()
        self.cell.close()


def helped(found):
    """Whether the policy drove at first, then the operator took over, with success."""
    outcome, steps, _ = found
    sources = [step.source for step in steps if not step.last]
    human = sources.index(Source.HUMAN) if Source.HUMAN in sources else 0
    return outcome == Outcome.SUCCESS and human >= 6


def captioned(found, title):
    """The pictures of an episode with who drives, a title and the outcome."""
    outcome, steps, shown = found
    for step, picture in zip(steps, shown):
        bar = np.full((BAR, picture.shape[1], 3), drawing.DARK, np.uint8)
        if step.last:
            word, colour = outcome.name, drawing.OUTCOMES[outcome]
        else:
            word, colour = drawing.DRIVERS[Source(step.source)]
        cv2.rectangle(bar, (6, 6), (112, BAR - 7), colour, -1)
        for text, left in ((word, 16), (title, 126)):
            cv2.putText(
                bar, text, (left, BAR - 14), cv2.FONT_HERSHEY_SIMPLEX, 0.52, (255, 255, 255), 1,
                cv2.LINE_AA,
            )  # fmt: skip
        picture = np.vstack([picture, bar])
        yield from [picture] * (12 if step.last else 1)


def train(schema, directory, minutes):
    """Train; return the episode of an early take-over and the last policy."""
    record_demonstrations(schema, directory / 'demos', 20, 0, 'plain')
    options = LearnerOptions(demos=(str(directory / 'demos'),), pretrain_updates=60)
    learner = None
    filmed = Filmed(
        schema,
        'train',
        0,
        lambda steps: learner.trainer.sigma(steps),
        lambda step: learner.add_step(step),
    )
    policies = []

    def offer(policy):
        policies[:] = [policy]
        filmed.cell.loop.offer(policy, env_steps=policy.env_steps)

    learner = SimulatedLearner(schema, directory / 'run', options, offer, lambda sentence: None)
    learner.pretrain()
    early = None
    while filmed.cell.now < 60.0 * minutes:
        filmed.cell.tick()
        learner.run_due_updates(filmed.cell.now)
        if early is None and filmed.finished:
            early = next(filter(helped, filmed.finished), None)
            filmed.recording = early is None
            print(f'minute {filmed.cell.now / 60:.1f}: {early and "a take-over"}', flush=True)
        filmed.finished.clear()
    filmed.cell.loop.close()
    filmed.close()
    learner.close()
    return early, policies[0]


def main():
    """Train, then film the policy alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=2.0, help='robot minutes of training')
    parser.add_argument('--out', type=Path, default=Path(__file__).with_name('training.gif'))
    options = parser.parse_args()
    schema = make_task('grasp_lift', model_hash())
    with tempfile.TemporaryDirectory() as directory:
        early, policy = train(schema, Path(directory), options.minutes)
        alone = Filmed(
            schema, 'eval', EVALUATION_SEED, lambda steps: 0.0, lambda step: None, watch=True
        )
        alone.cell.loop.offer(policy)
        alone.cell.run_episodes(ATTEMPTS)
    film = list(captioned(early, 'in training: the operator takes over through the leader'))
    for found in alone.finished:
        film += captioned(found, f'the policy alone, after {options.minutes:g} minutes')
    alone.close()
    write_film(options.out, film, SPEED * schema.rate)
    print(f'{options.out}: {len(film)} pictures, {options.out.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
