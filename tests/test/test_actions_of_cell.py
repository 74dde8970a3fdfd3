"""A task with wrist roll, pitch and a discrete gripper in the whole simulated graph."""

import numpy as np
import pytest

from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.task import TaskSchema
from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.handover import seconds
from hilserl_tests.watcher import Watcher
from so101_description.joints import pack

pytestmark = [pytest.mark.slow, pytest.mark.graph]

TASK = """
version: 1
name: turning
instruction: lift the cube
cameras: {wrist: {}}
action: {dx: 0.02, dy: 0.03, dz: 0.015, droll: 0.1, dpitch: 0.1, discrete_gripper: true}
sim:
  scene: cube.xml
  place: {cube: {position: [0.25, 0.0, 0.0125], spread: [0.02, 0.02]}}
  success: [{is: lifted, body: cube, by: 0.04}]
  area: {min: [0.16, -0.09], max: [0.34, 0.09]}
  skill: {grasp: cube}
"""
AXES = ('dx', 'dy', 'dz', 'droll', 'dpitch', 'gripper')


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
    """The messages of two demonstrations of the scripted operator."""
    directory = tmp_path_factory.mktemp('turning')
    (directory / 'turning.yaml').write_text(TASK, encoding='utf-8')
    words = [f'task:={directory / "turning.yaml"}', f'runs_dir:={directory}', 'run:=turning']
    with own_domain() as environment, Watcher() as messages:
        cell = CellProcess(['record', 'episodes:=2', 'console:=false', *words], environment)
        code = cell.wait(400)
    assert code == 0, cell.text[-3000:]
    return messages


def test_the_steps_have_the_axes_of_the_task(recorded):
    actions = np.array([step.action for step in recorded.steps if not step.last])
    assert actions.shape[1] == len(AXES) and len(actions) > 20
    assert set(actions[:, -1].tolist()) <= {-1.0, 0.0, 1.0}
    x, y, z = np.abs(actions[:, :3]).max(0)
    assert min(x, z) > 0.3 and y > 0.02  # the cube may be straight ahead


def test_each_stored_action_gives_the_sent_command(recorded):
    schema = TaskSchema.from_json(recorded.task.schema)
    assert schema.action_names == AXES
    kinematics = kinematics_of(schema)
    commands = [pack(c.name, c.position) for c in recorded.commands]
    times = np.array([seconds(c.header.stamp) for c in recorded.commands])
    errors = []
    for step in recorded.steps:
        at = int(np.searchsorted(times, seconds(step.header.stamp)))
        if step.last or at == len(times) or times[at] - times[at - 1] > 0.15:
            continue
        again = kinematics.joint_target(
            step.state[:6], commands[at - 1], step.action, schema.pitch, schema.wrist_roll
        )
        errors.append(np.abs(again.q - commands[at]).max())
    # The state is float32: where the lead over the measured pose limits, 1e-6 rad remain.
    assert len(errors) > 20 and np.mean(np.array(errors) < 1e-5) > 0.99
