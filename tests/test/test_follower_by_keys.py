"""A real follower (emulated servos) without a leader arm is driven from the console's page."""

import asyncio
import itertools
import re
import time

import aiohttp
import cv2
import numpy as np
import pytest

from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.steps import Source
from hilserl_tests.bench_follower import BenchFollower
from hilserl_tests.cell_process import CellProcess, own_domain
from so101_description.joints import JOINTS, REST
from so101_node.ros_node import not_urgent, urgent
from so101_sim import calibration_path

pytestmark = [pytest.mark.graph, pytest.mark.long]

HOLDS_WITHIN = 0.2 + 0.1  # s after the last message of the page: the limit, and a control period


def video(file):
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*'MJPG'), 30, (160, 120))
    for level in range(90, 150, 2):
        writer.write(np.full((120, 160, 3), level, np.uint8))
    writer.release()
    return file


async def drive(cell, link):
    """Start an episode, drive to the left, and lose the connection; return when, s."""
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(link.replace('/?', '/ws?').replace('http', 'ws')) as socket,
    ):
        for _ in range(100):
            if 'READY -> HUMAN' in cell.text:
                break
            await socket.send_json({'type': 'key', 'key': ' '})
            await asyncio.sleep(1.0)
        began = time.monotonic()
        while time.monotonic() < began + 2.0:
            await socket.send_json({'type': 'drive', 'axes': [0, 1, 0, 0]})
            last = time.monotonic()
            await asyncio.sleep(0.04)
    return began, last


def test_a_follower_without_a_leader_arm_is_driven_by_a_page_and_holds_without_it(tmp_path):
    words = ['record', f'runs_dir:={tmp_path}', 'sim:=false', 'bench:=none', 'leader:=keys']
    words += [f'follower_port:={tmp_path}/follower', 'screen:=plain', 'duration:=60']
    words += [
        f'follower_calibration:={calibration_path("follower")}',
        'driver.answer_timeout:=0.01',
    ]
    words += [f'camera_device:={video(tmp_path / "grey.avi")}']
    words += ['camera_width:=160', 'camera_height:=120']
    urgent()  # so that the servos answer in time
    with own_domain() as environment, BenchFollower(tmp_path / 'follower', REST) as arm:
        cell = CellProcess(words, environment)
        link = re.search(r'http://\S+', cell.wait_for('in a browser', 60))[0]
        cell.wait_for('IDLE', 100)
        began, last = asyncio.run(drive(cell, link))
        cell.wait_for('HUMAN -> PAUSED', 10)
        time.sleep(0.5)
        rows = arm.between(began, time.monotonic())
        cell.interrupt()
    not_urgent()
    (bag,) = open_bags(tmp_path / 'demos' / 'bags')
    schema, steps = bag.schema, [step for step in bag.steps() if not step.last]
    kinematics = kinematics_of(schema)
    tools = [kinematics.tool_pose(row[7:13])[0][1] for row in (rows[0], rows[-1])]
    assert tools[1] - tools[0] > 0.1  # m to the left in 2 s
    assert {step.source for step in steps} == {Source.HUMAN}
    goals = np.abs(np.diff(rows[:, 1:7], axis=0)).max(1)
    moved_last = rows[1:][goals > 2e-3, 0].max()
    assert moved_last - last < HOLDS_WITHIN
    position = [schema.state_names.index(f'{joint}.position') for joint in JOINTS]
    error = [schema.state_names.index(f'{joint}.following_error') for joint in JOINTS]
    start = steps[0].state[position] + steps[0].state[error]
    for step, after in itertools.pairwise(steps):
        if after.index == step.index + 1:
            measured = step.state[position].astype(float)
            again = kinematics.joint_target(
                measured,
                measured + step.state[error],
                step.action,
                schema.pitch,
                schema.wrist_roll,
                hold=start,
            ).q
            assert np.abs(again - after.state[position] - after.state[error]).max() < 2e-3
