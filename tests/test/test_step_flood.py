"""A flood of steps that bear the run's own id: the learner takes a bounded number of them."""

from dataclasses import replace
from pathlib import Path
import subprocess
import sys
import time

import numpy as np
import pytest

from hilserl_core.bags.cdr import step_to_cdr
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.tasks import make_task
from hilserl_tests.cell_process import own_domain
from hilserl_tests.flood import NODE, flood
from hilserl_tests.watcher import Watcher
from so101_description.model import model_hash
from so101_interfaces.msg import Step
from so101_node import names, qos

pytestmark = pytest.mark.graph

SCHEMA = make_task('reach', model_hash())
MEMORY = 150e6  # bytes that the learner may grow
FLOOD_RATE = 1000.0  # 1/s


def steps(episode, count):
    first = StepRecord(
        stamp=time.time_ns(),
        schema_hash=SCHEMA.hash,
        episode_id=episode,
        index=0,
        cameras=tuple(camera.name for camera in SCHEMA.cameras),
        image_stamps=(1,) * len(SCHEMA.cameras),
        images=tuple(np.zeros(camera.shape, np.uint8) for camera in SCHEMA.cameras),
        state=np.array(SCHEMA.state_offset, np.float32),
        action=np.zeros(len(SCHEMA.action_names), np.float32),
        source=Source.POLICY,
        reward=0.0,
        run_id='own',
    )
    for i in range(count):
        yield replace(first, index=i, stamp=first.stamp + i * 10**8)
    yield replace(
        first, index=count, stamp=first.stamp + count * 10**8, last=True, reward=None,
        action=np.zeros(0, np.float32), source=Source.NONE, outcome=Outcome.TIMEOUT,
    )  # fmt: skip


def memory(pid):
    return int(Path(f'/proc/{pid}/statm').read_text().split()[1]) * 4096


def test_a_flood_of_steps_of_the_run_is_bounded_and_named_and_later_steps_are_taken(tmp_path):
    arguments = ('task:=reach', f'run_dir:={tmp_path}/run', 'run_id:=own', 'batch_size:=8',
                 'memory_gb:=0.02', 'min_steps:=1000000')  # fmt: skip
    command = [sys.executable, '-c', 'from hilserl_learner.entry_points import learner; learner()']
    with own_domain() as environment, Watcher() as watcher, open(tmp_path / 'log', 'w+') as log:
        learner = subprocess.Popen(
            [*command, '--ros-args', *(word for each in arguments for word in ('-p', each))],
            env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip

        def wait(condition):
            end = time.monotonic() + 90.0
            while not (watcher.learner and condition(watcher.learner[-1])):
                assert learner.poll() is None and time.monotonic() < end, watcher.learner[-1:]
                time.sleep(0.05)

        try:
            wait(lambda status: True)
            before = memory(learner.pid)
            messages = [(Step, names.STEP, step_to_cdr(step)) for step in steps('flood', 6000)]
            with flood(messages, FLOOD_RATE):
                began = time.monotonic()
                wait(lambda status: status.rejected_steps > 1500)
                publisher = watcher.node.create_publisher(Step, names.STEP, qos.STEPS)
                time.sleep(1.0)
                for step in steps('beside', 8):
                    time.sleep(0.1)
                    publisher.publish(step_to_cdr(step))
                took = time.monotonic() - began
            grown = memory(learner.pid) - before
            disk = sum(each.stat().st_size for each in tmp_path.rglob('*.mcap'))
            taken = len(watcher.steps)
            for step in steps('own', 8):
                time.sleep(0.1)
                publisher.publish(step_to_cdr(step))
            for name in ('beside', 'own'):
                wait(lambda status, bag=tmp_path / 'run' / 'bags' / name: bag.is_dir())
        finally:
            learner.terminate()
            code = learner.wait(20.0)
        log.seek(0)
        text = log.read()
    assert code == 0, text
    assert 'Traceback' not in text
    assert grown < MEMORY, grown
    most = qos.STEPS.depth + 2 * SCHEMA.rate * (took + 3.0)
    assert taken > most + 500 and disk < most * len(messages[0][2]), (took, taken, disk, most)
    refused = [line for line in text.splitlines() if 'more steps arrive than' in line]
    assert 1 <= len(refused) <= took + 4.0 and f'/{NODE} on this host' in refused[0], refused
