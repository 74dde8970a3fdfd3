"""What a start imports: a slow library only where it is used, because every start waits for it."""

import subprocess
import sys

import pytest

SLOW = {'torch', 'mujoco', 'cv2', 'matplotlib', 'scipy', 'tensorboard', 'rclpy', 'pyarrow', 'av'}
NODES = {
    'so101_driver.driver_node': {'mujoco', 'rclpy'},
    'so101_description.kinematics_node': {'mujoco', 'rclpy'},
    'so101_sim.world_node': {'mujoco', 'rclpy'},
    'so101_sim.scripted_operator_node': {'mujoco', 'rclpy'},
    'hilserl_actor.actor_node': {'torch', 'mujoco', 'cv2', 'rclpy'},
    'hilserl_actor.operator_node': {'rclpy'},
    'hilserl_console.console_node': {'mujoco', 'cv2', 'rclpy'},
    'hilserl_learner.learner_node': {'torch', 'rclpy'},
}


def imported(program: str) -> set[str]:
    program = f'import sys\n{program}\nprint(*sys.modules)'
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split()) & SLOW


@pytest.mark.slow
@pytest.mark.parametrize('module, libraries', NODES.items())
def test_a_node_imports_no_slow_library_that_it_does_not_use(module, libraries):
    assert imported(f'import {module}') <= libraries


@pytest.mark.slow
def test_the_plan_of_a_start_needs_no_slow_library(tmp_path):
    """Only when it is made, the nodes start."""
    program = (
        'from hilserl_actor.bringup import arguments, supervisor\n'
        'from hilserl_actor.bringup.planner import make_plan\n'
        f'words = ["start:=scratch", "runs_dir:={tmp_path}"]\n'
        'assert len(make_plan(arguments.parse("train", words)).nodes) > 5'
    )
    assert imported(program) == set()
