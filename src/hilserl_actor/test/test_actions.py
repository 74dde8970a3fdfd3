"""The control loop with actions of every kind: what is stored is what was executed."""

from dataclasses import replace
from functools import cache

from actor_support.simulated_bench import SCHEMA, SimulatedBench, make_policy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from hilserl_core.contract.steps import Source

TOO_SLOW = HealthCheck.too_slow  # a busy computer
KINDS = {
    'plane': {'dx': 0.02, 'dy': 0.01},
    'wrist': {'dx': 0.02, 'dy': 0.02, 'dz': 0.01, 'droll': 0.1, 'dpitch': 0.1, 'gripper': 0.2},
    'roll': {'droll': 0.2, 'gripper': 0.2},
    'joints': {'shoulder_pan': 0.1, 'shoulder_lift': 0.05, 'wrist_roll': 0.1, 'gripper': 0.2},
}


def schema_of(kind, discrete=False):
    """The usual task with other axes; its state is that of before, so without these actions."""
    scales = KINDS[kind]
    places = [i for i, name in enumerate(SCHEMA.state_names) if not name.startswith('previous.')]
    state = {
        name: tuple(getattr(SCHEMA, name)[i] for i in places)
        for name in ('state_names', 'state_units', 'state_offset', 'state_scale')
    }
    return replace(
        SCHEMA,
        action_names=tuple(scales),
        action_scales=tuple(scales.values()),
        action_scale=0.0,
        gripper_step=0.0,
        discrete_gripper=discrete,
        **state,
    )


@cache
def policy_of(kind, discrete):
    return make_policy(schema=schema_of(kind, discrete))


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS)
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[TOO_SLOW])
@given(
    st.booleans(),
    st.lists(st.tuples(*[st.floats(-0.08, 0.08)] * 6), min_size=3, max_size=6),
)
def test_the_stored_action_of_policy_and_human_is_the_executed_one(kind, discrete, motions):
    schema = schema_of(kind, discrete)
    bench = SimulatedBench(schema=schema, policy=False)
    bench.loop.offer(policy_of(kind, discrete))
    bench.start()
    start = bench.position['follower'].copy()
    bench.tick(4)
    bench.loop.request('intervene', 'test')
    bench.tick()
    for motion in motions:
        bench.position['leader'] = bench.position['leader'] + np.array(motion)
        bench.tick()
    bench.tick()
    core = bench.kinematics_core
    targets = [q for arm, q in bench.commands if arm == 'follower']
    targets = targets[-len(bench.steps) - 2 :]
    assert {step.source for step in bench.steps} == {Source.POLICY, Source.HUMAN}
    moved = 0
    for step, before, after in zip(bench.steps, targets, targets[1:]):
        assert step.action.shape == (len(schema.action_names),)
        again = core.joint_target(
            before, before, step.action, schema.pitch, schema.wrist_roll, hold=start
        )
        assert np.abs(again.q - after).max() < 1e-6
        moved += np.abs(after - before).max() > 1e-3
        if schema.discrete_gripper and core.space.gripper is not None:
            assert step.action[core.space.gripper] in (-1.0, 0.0, 1.0)
    assert moved > 2
    held = [i for i, name in enumerate(core.space.coordinates) if name not in schema.action_names]
    at_start, at_end = core.coordinates(start), core.coordinates(targets[-1])
    tolerance = np.array([1e-3] * 3 + [1e-6, 0.15, 1e-6])
    if not again.limited:
        assert (np.abs(at_end - at_start)[held] <= tolerance[held]).all()


def test_a_small_motion_of_the_leaders_gripper_moves_a_discrete_one_when_it_has_added_up():
    bench = SimulatedBench(schema=schema_of('roll', discrete=True), sigma=0.0)
    bench.start()
    bench.loop.request('intervene', 'test')
    bench.tick(2)
    before = len(bench.steps)
    for _ in range(8):
        bench.position['leader'] = bench.position['leader'] - np.array([0, 0, 0, 0, 0, 0.05])
        bench.tick()
    bench.tick()
    closing = [float(step.action[-1]) for step in bench.steps[before:]]
    assert sum(closing) == pytest.approx(-2.0, abs=1.0) and set(closing) <= {-1.0, 0.0}
