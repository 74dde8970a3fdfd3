"""A bag is played beside a live cell, as with `ros2 bag play`: the cell learns nothing from it."""

from pathlib import Path
import subprocess
import sys
import time

import pytest

from hilserl_core.bags.episode_bag import open_bags
from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.watcher import Watcher

pytestmark = [pytest.mark.graph, pytest.mark.long]

SECONDS = 5.0  # of a recording


def record(environment, bag):
    """Record in a process of its own, in the cell's domain."""
    words = [sys.executable, '-m', 'hilserl_tests.raw_recorder', str(bag), str(SECONDS)]
    subprocess.run(words, env=environment, check=True, timeout=60)


def play(environment, bag):
    words = [sys.executable, '-m', 'hilserl_tests.bag_player', str(bag)]
    done = subprocess.run(
        words, env=environment, check=True, timeout=60, capture_output=True, text=True
    )
    assert int(done.stdout.split()[-1]) > 100


def test_a_played_bag_of_this_run_is_not_learned_from(tmp_path):
    words = ['train', 'start:=scratch', f'runs_dir:={tmp_path}', 'run:=live', 'console:=false']
    with own_domain() as environment:
        cell = CellProcess(words, environment)
        cell.wait_for('READY -> POLICY', 120)
        with Watcher() as watcher:
            record(environment, tmp_path / 'own')
            before = len(watcher.steps), len(watcher.actor)
            play(environment, tmp_path / 'own')
            played = len(watcher.steps) - before[0], len(watcher.actor) - before[1]
            since = len(watcher.learner)
            time.sleep(3.0)
            assert len(watcher.learner) > since + 1, cell.text[-3000:]  # the learner lives
            replayed = watcher.learner[-1].replay_steps
            mode = watcher.actor[-1].mode
        assert cell.process.poll() is None, cell.text[-3000:]
        assert mode not in ('ESTOP', 'IDLE'), cell.text[-3000:]
        cell.interrupt()
    assert cell.process.returncode == 0, cell.text[-3000:]
    assert 'Traceback' not in cell.text
    assert min(played) > 20  # what the player publishes arrives
    stored = [(s.episode_id, s.index) for bag in bags(tmp_path / 'live') for s in bag.steps()]
    assert len(stored) == len(set(stored)) > 50  # none twice
    assert 0 < replayed <= len(stored)
    refused = [line for line in cell.lines if 'refused' in line and '/rosbag2_player' in line]
    assert {line.split('WARN ')[1].split(':')[0] for line in refused} >= {'learner', 'driver'}


def bags(run: Path):
    return open_bags(run / 'bags')
