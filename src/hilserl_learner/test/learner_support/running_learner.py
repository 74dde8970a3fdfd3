"""A learner without ROS, with its threads, and episodes for it."""

import threading
import time

from core_support import START, record

from hilserl_core.contract.steps import Outcome, Source
from hilserl_learner.training.learner import Learner
from hilserl_learner.training.options import LearnerOptions

OPTIONS = LearnerOptions(
    start='scratch', batch_size=8, min_steps=10, publish_period=0.1, memory_gb=0.02
)


def episode(schema, name, length=8, outcome=Outcome.SUCCESS, start=0, **options):
    steps = []
    for i in range(length + 1):
        last = i == length
        steps.append(
            record(
                schema,
                i,
                name,
                last=last,
                outcome=outcome if last else Outcome.NONE,
                terminated=i == length - 1,
                reward=None if last else float(i == length - 1),
                source=Source.NONE if last else Source.HUMAN if i % 2 else Source.POLICY,
                stamp=START + (start + i) * 10**8,
                **options,
            )
        )
    return steps


class Cell:
    """A learner with its threads, its log and its published policies."""

    def __init__(self, schema, directory, options=OPTIONS):
        self.logged, self.published = [], []
        self.learner = Learner(
            schema, directory, options, lambda *a: self.published.append(a), self.logged.append
        )
        self.errors = []
        self.threads = [
            threading.Thread(target=self._run, args=(body,), daemon=True)
            for body in (self.learner.train, self.learner.recorder.run)
        ]
        for thread in self.threads:
            thread.start()

    def _run(self, body):
        try:
            body()
        except Exception as error:
            self.errors.append(error)

    def feed(self, *steps):
        for step in steps:
            self.learner.ingest(step)

    def wait(self, condition, seconds=20.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.logged, self.errors)
            time.sleep(0.01)

    def close(self):
        begin = time.monotonic()
        self.learner.close(*self.threads)
        assert time.monotonic() - begin < 3.0
        return self
