"""The records of a demonstration, as the loop makes them."""

import numpy as np

from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.tasks import make_task
from so101_description.model import model_hash

SCHEMA = make_task('grasp_lift', model_hash())
TOOL_X = SCHEMA.state_names.index('tool.x')


def records(steps=42, speed=0.01, action=0.3, missing=(), outcome=Outcome.SUCCESS, pause=0.0):
    """An episode at 10 Hz; `missing` indexes were dropped, `pause` s before the last record."""
    for index in range(steps + 1):
        last = index == steps
        state = np.zeros(len(SCHEMA.state_names), np.float32)
        state[TOOL_X] = speed * index
        if index not in missing:
            yield StepRecord(
                stamp=int((index * 0.1 + pause * last) * 1e9),
                schema_hash=SCHEMA.hash,
                episode_id='e',
                index=index,
                cameras=(),
                image_stamps=(),
                images=(),
                state=state,
                action=np.full(0 if last else 4, action, np.float32),
                source=Source.NONE if last else Source.HUMAN,
                last=last,
                outcome=outcome if last else Outcome.NONE,
            )
