"""The simulated cell: the scripted operator drives it, and the same seed repeats it."""

import numpy as np
import pytest

from hilserl_actor.loop.modes import Mode
from hilserl_core.contract.steps import Outcome, Source
from hilserl_core.contract.tasks import make_task
from hilserl_sim.cell import SimulatedCell
from so101_description.model import model_hash
from so101_node.errors import CellError

pytestmark = pytest.mark.slow


def recorded(schema, seed, world='plain', episodes=2):
    steps = []
    cell = SimulatedCell(schema, 'record', seed, world, emit=steps.append)
    try:
        cell.run_episodes(episodes)
    finally:
        cell.close()
    return steps, cell


def test_the_same_seed_gives_the_same_steps(schema):
    (one, _), (other, _) = recorded(schema, 3, 'hard'), recorded(schema, 3, 'hard')
    assert len(one) == len(other) > 10
    for a, b in zip(one, other):
        assert np.array_equal(a.action, b.action) and np.array_equal(a.images[0], b.images[0])


def test_another_seed_gives_other_steps(schema):
    (one, _), (other, _) = recorded(schema, 3, episodes=1), recorded(schema, 4, episodes=1)
    assert not np.array_equal(one[0].images[0], other[0].images[0])


def test_a_demonstration_is_driven_by_the_operator_and_succeeds(schema):
    steps, cell = recorded(schema, 0)
    assert [step.outcome for step in steps if step.last] == [Outcome.SUCCESS] * 2
    assert {step.source for step in steps if not step.last} == {Source.HUMAN}
    assert cell.loop.stats.successes == 2


def test_simulated_time_counts_control_periods(schema):
    cell = SimulatedCell(schema, 'record', 0)
    try:
        for _ in range(5):
            cell.tick()
        assert cell.now == pytest.approx(5 / schema.rate)
        assert cell.loop.machine.mode is not Mode.ESTOP
    finally:
        cell.close()


def test_in_eval_nothing_moves_without_a_policy(schema):
    cell = SimulatedCell(schema, 'eval', 0, watch=True)
    try:
        for _ in range(30):
            cell.tick()
        assert cell.loop.episode is None and cell.loop.stats.results == []
    finally:
        cell.close()


TWO_CAMERAS = """
version: 1
name: mine
instruction: lift the cube
cameras:
  wrist: {height: 32, width: 32}
  front: {height: 24, width: 48, image: [96, 64]}
state: [joint_positions, tool_position, joint_velocities]
sim:
  scene: cube.xml
  place: {cube: {position: [0.25, 0.0, 0.0125]}}
  success: [{is: lifted, body: cube, by: 0.04}]
  area: {min: [0.16, -0.09], max: [0.34, 0.09]}
  skill: {grasp: cube}
"""


def test_a_task_file_of_ones_own_with_two_cameras_is_demonstrated(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(TWO_CAMERAS, encoding='utf-8')
    schema = make_task(str(path), model_hash())
    steps = []
    cell = SimulatedCell(schema, 'record', 0, emit=steps.append, task=str(path))
    try:
        cell.run_episodes(1)
    finally:
        cell.close()
    assert steps[-1].outcome == Outcome.SUCCESS
    wrist, front = zip(*(step.images for step in steps))
    assert {image.shape for image in wrist} == {(32, 32, 3)}
    assert {image.shape for image in front} == {(24, 48, 3)}
    for images in (wrist, front):  # the arm is in both
        assert not np.array_equal(images[0], images[-1])
    states, times = np.array([s.state for s in steps]), np.array([s.stamp for s in steps]) / 1e9
    change = np.diff(states[:, :6], axis=0) / np.diff(times - times[0])[:, None]
    assert states[0, 9:].tolist() == [0.0] * 6 and np.abs(change).max() > 0.2
    np.testing.assert_allclose(states[1:, 9:], change, atol=1e-5)


def test_a_camera_that_the_scene_has_not_is_refused(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(TWO_CAMERAS.replace('front:', 'ceiling:'), encoding='utf-8')
    with pytest.raises(CellError, match="the scene has no camera 'ceiling_camera'"):
        SimulatedCell(make_task(str(path), model_hash()), 'record', 0, task=str(path))


BAR = """
<mujoco model="bar">
  <include file="so101.xml"/>
  <include file="table.xml"/>
  <worldbody>
    <body name="bar" pos="0.25 0 0.008">
      <freejoint/>
      <geom type="box" size="0.035 0.008 0.008" mass="0.02" friction="1.0" condim="4"/>
    </body>
  </worldbody>
</mujoco>
"""
TURNED = """
version: 1
name: bar
instruction: turn the wrist, grasp the bar across its middle and lift it
seconds: 15
cameras: {wrist: {height: 32, width: 32}, front: {height: 32, width: 32}}
action: {droll: 0.1}
start: {position: [0.22, 0.0, 0.09]}
sim:
  scene: bar.xml
  place: {bar: {position: [0.24, 0.0, 0.008], spread: [0.04, 0.05], yaw_spread: 40}}
  success: [{is: lifted, body: bar, by: 0.04}]
  area: {min: [0.14, -0.12], max: [0.34, 0.12]}
  skill: {grasp: bar, grasp_height: 0.012, turn: true}
"""


def test_the_operator_turns_the_wrist_across_a_bar(tmp_path):
    (tmp_path / 'bar.xml').write_text(BAR, encoding='utf-8')
    path = tmp_path / 'bar.yaml'
    path.write_text(TURNED, encoding='utf-8')
    schema = make_task(str(path), model_hash())
    steps = []
    cell = SimulatedCell(schema, 'record', 0, emit=steps.append, task=str(path))
    try:
        cell.run_episodes(3)
    finally:
        cell.close()
    assert cell.loop.stats.successes == 3
    turned = np.array(
        [step.state[schema.state_names.index('wrist_roll.position')] for step in steps]
    )
    assert np.ptp(turned) > 0.4
