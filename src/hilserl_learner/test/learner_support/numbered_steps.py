"""Steps that carry their number: what a batch holds tells where it came from."""

from dataclasses import replace

import numpy as np

from hilserl_core.contract.steps import Outcome, Source, StepRecord

TICK = 10**8


def tiny(schema):
    camera = replace(schema.cameras[0], out_height=1, out_width=2)
    return replace(
        schema,
        cameras=(camera,),
        state_names=('x',),
        state_units=('m',),
        state_offset=(0.0,),
        state_scale=(1.0,),
    )


def make_step(schema, number, episode='e', index=0, **options):
    shape = schema.cameras[0].shape
    last = options.get('last', False)
    defaults = dict(
        stamp=(index + 1) * TICK,
        schema_hash=schema.hash,
        episode_id=episode,
        index=index,
        cameras=('wrist_camera',),
        image_stamps=(index * TICK,),
        images=(np.full(shape, number % 256, np.uint8),),
        state=np.full(len(schema.state_names), number, np.float32),
        action=np.zeros(0 if last else 4, np.float32),
        source=Source.NONE if last else Source.POLICY,
        reward=None if last else 0.0,
    )
    return StepRecord(**{**defaults, **options})


def episode(schema, name, length, first=0, **end):
    """`length` transitions and the final observation; `end` goes to the last transition."""
    steps = [make_step(schema, first + i, name, i, reward=float(i)) for i in range(length)]
    steps[-1] = replace(steps[-1], **end)
    final = make_step(schema, first + length, name, length, last=True, outcome=Outcome.SUCCESS)
    return [*steps, final]
