"""The world node in its own process: topics, ports and its end."""

import os
import signal
import subprocess
import sys
import time

import domain_coordinator
from geometry_msgs.msg import PoseStamped
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
import scservo_sdk as sdk
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_srvs.srv import Trigger

from so101_description.joints import JOINTS, REST
from so101_interfaces.msg import ActorStatus, Reward
from so101_node import names, qos
from so101_node.errors import REFUSED
from so101_sim import sts3215
from so101_sim.world import World

START = 'from so101_sim.entry_points import world; world()'
packets = sdk.PacketHandler(0)


@pytest.fixture(scope='module', autouse=True)
def domain():
    with domain_coordinator.domain_id() as number:
        os.environ['ROS_DOMAIN_ID'] = str(number)
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        rclpy.init()
        yield
        rclpy.shutdown()


def start(**parameters):
    arguments = [part for name, value in parameters.items() for part in ('-p', f'{name}:={value}')]
    return subprocess.Popen(
        [sys.executable, '-c', START, '--ros-args', *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Bench:
    """A running world and a node that subscribes to its topics."""

    def __init__(self, directory, **parameters):
        self.ports = {arm: str(directory / 'new' / arm) for arm in names.ARMS}
        self.process = start(
            follower_port=self.ports['follower'], leader_port=self.ports['leader'], **parameters
        )
        self.node = rclpy.create_node('bench')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.images, self.infos, self.cubes, self.rewards = [], [], [], []
        camera = names.WRIST_CAMERA
        for kind, topic, into in (
            (Image, names.IMAGE.format(camera=camera), self.images),
            (CameraInfo, names.CAMERA_INFO.format(camera=camera), self.infos),
            (PoseStamped, names.SIM_CUBE_POSE, self.cubes),
            (Reward, names.REWARD, self.rewards),
        ):
            self.node.create_subscription(kind, topic, into.append, qos.STATUS)  # loses none
        self.place = self.node.create_client(Trigger, names.SIM_PLACE_CUBE)
        self.hand = self.node.create_publisher(JointState, names.SIM_HAND, qos.COMMAND)

    def spin_until(self, condition, timeout=10.0):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, 'did not happen in time'
            self.executor.spin_once(timeout_sec=0.02)

    def open(self, arm):
        port = sdk.PortHandler(self.ports[arm])
        assert port.openPort()
        return port

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.spin_until(
        lambda: (
            bench.images
            and bench.infos
            and bench.cubes
            and bench.rewards
            and all(map(os.path.exists, bench.ports.values()))
        ),
        30.0,
    )
    yield bench
    bench.close()


def position(port):
    """Return the ticks of servo 1; on a loaded machine, repeat the read after a timeout.

    A late answer is discarded first, otherwise the SDK uses it for the next request.
    """
    for _ in range(10):
        port.ser.reset_input_buffer()
        ticks, result, _ = packets.read2ByteTxRx(port, 1, sts3215.PRESENT)
        if result == sdk.COMM_SUCCESS:
            return ticks
        time.sleep(0.1)
    raise AssertionError('servo 1 does not answer')


def seconds(message):
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


def test_it_publishes_the_cell_thirty_times_per_second(bench):
    bench.images.clear()
    bench.spin_until(lambda: len(bench.images) > 60)
    stamps = [seconds(m) for m in bench.images]
    assert 60 / (stamps[60] - stamps[0]) == pytest.approx(30.0, rel=0.05)
    assert abs(time.time() - stamps[-1]) < 0.2
    image, info = bench.images[-1], bench.infos[-1]
    assert (image.width, image.height, image.encoding, image.step) == (160, 120, 'rgb8', 480)
    assert np.ptp(np.frombuffer(image.data, np.uint8)) > 100
    assert (info.width, info.height) == (160, 120) and info.k[0] == info.k[4] > 0
    assert {m.value for m in bench.rewards} == {0.0} and not bench.rewards[-1].success


def test_the_cube_gets_a_new_pose_on_request(bench):
    before = bench.cubes[-1].pose.position
    future = bench.place.call_async(Trigger.Request())
    bench.spin_until(future.done)
    assert future.result().success
    asked = len(bench.cubes)
    bench.spin_until(lambda: len(bench.cubes) > asked + 3)
    after = bench.cubes[-1].pose.position
    assert np.hypot(after.x - before.x, after.y - before.y) > 0.002
    assert after.z == pytest.approx(0.0125, abs=0.001)


def test_in_an_evaluation_the_number_of_the_episode_selects_the_cubes_pose(tmp_path):
    bench = Bench(tmp_path, situations=5)
    try:
        status = bench.node.create_publisher(ActorStatus, names.ACTOR_STATUS, qos.STATUS)
        bench.spin_until(lambda: bench.cubes and status.get_subscription_count(), 30.0)
        for episodes in (3, 3, 6):  # one aborted episode, then the second round
            message = ActorStatus(episodes=episodes)
            message.header.stamp = bench.node.get_clock().now().to_msg()
            status.publish(message)
            asked = len(bench.cubes)
            bench.spin_until(lambda: len(bench.cubes) > asked + 10)
            future = bench.place.call_async(Trigger.Request())
            bench.spin_until(future.done)
            asked = len(bench.cubes)
            bench.spin_until(
                lambda: len(bench.cubes) > asked + 12
            )  # also those still in the queue
            world = World(0, placements=episodes % 5)
            world.place_bodies()
            cube = bench.cubes[-1].pose.position
            assert np.allclose([cube.x, cube.y], world.pose('cube')[0][:2], atol=1e-3)
    finally:
        bench.close()


def test_a_pull_moves_the_leader_and_the_bus_moves_the_follower(bench):
    """Read and write through the ports alone, as a driver does."""
    leader, follower = bench.open('leader'), bench.open('follower')
    before = position(leader)
    pull = JointState(name=list(JOINTS), position=(REST + [0.3, 0, 0, 0, 0, 0]).tolist())
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        bench.hand.publish(pull)
        bench.executor.spin_once(timeout_sec=0.05)
    ticks = 0.3 * 4096 / (2 * np.pi)
    assert position(leader) - before == pytest.approx(ticks, abs=2)
    before = position(follower)
    packets.write2ByteTxRx(follower, 1, sts3215.GOAL_POSITION, before + 100)
    time.sleep(0.8)
    assert position(follower) == pytest.approx(before + 100, abs=12)
    leader.closePort()
    follower.closePort()


def test_it_serves_until_the_ports_are_closed_and_ends_with_0(bench):
    port = bench.open('follower')
    bench.process.send_signal(signal.SIGTERM)
    time.sleep(0.6)
    assert bench.process.poll() is None
    assert 0 < position(port) < 4096
    port.closePort()
    assert bench.process.wait(2.0) == 0
    assert not any(os.path.lexists(path) for path in bench.ports.values())
    assert bench.process.stderr.read() == ''


def test_an_open_port_delays_its_end_by_a_limited_time(bench):
    port = bench.open('leader')
    began = time.monotonic()
    bench.process.send_signal(signal.SIGINT)
    assert bench.process.wait(15.0) == 0
    assert 9.0 < time.monotonic() - began < 13.0
    port.closePort()


@pytest.mark.parametrize(
    'parameters, sentence, code',
    [
        ({}, 'follower_port is not set', REFUSED),
        ({'follower_port': '{tmp}/taken', 'leader_port': '{tmp}/leader'}, 'not a link', 1),
        ({'camera_rat': '30.0'}, 'unknown parameter camera_rat', REFUSED),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(tmp_path, parameters, sentence, code):
    (tmp_path / 'taken').write_text('another file')
    process = start(**{n: v.format(tmp=tmp_path) for n, v in parameters.items()})
    _, error = process.communicate(timeout=20)
    assert process.returncode == code
    assert sentence in error and len(error.strip().splitlines()) == 1
    assert (tmp_path / 'taken').read_text() == 'another file'
