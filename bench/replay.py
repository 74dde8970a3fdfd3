"""Measures the replay: memory, sampling, adding, delay, loading; and LeRobot's sampling."""

import argparse
from dataclasses import replace
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from rich.console import Console
from rich.table import Table
import torch

from hilserl_core.bags.episode_bag import EpisodeBag
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.tasks import make_task
from hilserl_learner.agent.augmentation import random_shift
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training.fill_replay import load_run
from hilserl_learner.training.learner import Learner
from hilserl_learner.training.options import LearnerOptions

BATCH, STACK, N_STEP, SHIFT, EPISODE = 256, 3, 3, 4, 100
HERE = Path(__file__).parent
START = 1_700_000_000 * 10**9

# This runs in the other venv. LeRobot's buffer imports the data set class only to save and load,
# but that class needs half of LeRobot's dependencies. A fake class keeps the venv small and does
# not change sampling.
LEROBOT = """
import json, sys, time, types
fake = types.ModuleType('lerobot.datasets.lerobot_dataset')
fake.LeRobotDataset = object
sys.modules['lerobot.datasets.lerobot_dataset'] = fake
import torch
from lerobot.rl.buffer import ReplayBuffer
torch.set_num_threads(int(sys.argv[1]))
batch, stack, steps = int(sys.argv[2]), int(sys.argv[3]), 2000
buffer = ReplayBuffer(steps, 'cpu', ['observation.images.wrist', 'observation.state'],
                      storage_device='cpu', optimize_memory=True)
def observation():
    return {'observation.images.wrist': torch.rand(1, 3 * stack, 84, 84),
            'observation.state': torch.rand(1, 19)}
now = observation()
for i in range(steps):
    after = observation()
    buffer.add(now, torch.rand(1, 4), 0.0, after, i % 100 == 99, False)
    now = after
times = []
for _ in range(int(sys.argv[4]) + 2):
    begin = time.perf_counter()
    buffer.sample(batch)
    times.append(time.perf_counter() - begin)
print(json.dumps(times[2:]))
"""


def schema_of(size: int, cameras: int = 1):
    """The grasp task with another image size."""
    base = make_task('grasp_lift', 'bench')
    camera = replace(base.cameras[0], out_height=size, out_width=size)
    return replace(
        base, cameras=tuple(replace(camera, name=f'camera_{i}') for i in range(cameras))
    )


def make_images(size: int, count: int, rng) -> list[np.ndarray]:
    """Images that compress like a camera's: smooth shades, a moving object, sensor noise."""
    y, x = np.mgrid[:size, :size] / size
    result = []
    for i in range(count):
        shade = 120 + 60 * x + 30 * y
        disc = 60 * ((x - 0.5 - 0.3 * np.sin(i / 15)) ** 2 + (y - 0.6) ** 2 < 0.02)
        image = np.stack([shade - disc, shade, shade + disc], -1)
        result.append(np.clip(image + rng.normal(0, 1.0, image.shape), 0, 255).astype(np.uint8))
    return result


def episode(schema, name: str, number: int, images, rng) -> list[StepRecord]:
    """One episode of random actions and states."""
    steps = []
    for i in range(EPISODE + 1):
        last, stamp = i == EPISODE, START + (number * (EPISODE + 20) + i) * 10**8
        steps.append(
            StepRecord(
                stamp=stamp,
                schema_hash=schema.hash,
                episode_id=name,
                index=i,
                cameras=tuple(c.name for c in schema.cameras),
                image_stamps=(stamp,) * len(schema.cameras),
                images=tuple(images[(number + i) % len(images)] for _ in schema.cameras),
                state=rng.normal(0, 0.1, len(schema.state_names)).astype(np.float32),
                action=np.zeros(0, np.float32)
                if last
                else rng.uniform(-1, 1, 4).astype(np.float32),
                source=Source.NONE if last else Source.HUMAN,
                reward=None if last else 0.0,
                truncated=i == EPISODE - 1,
                last=last,
                outcome=Outcome.TIMEOUT if last else Outcome.NONE,
            )
        )
    return steps


def sampling(schema, images, rng, repeats: int) -> tuple[list[float], list[float]]:
    """Times (s) of sampling a batch with random shift, and of adding a step to a full ring."""
    replay = Replay(schema, 10_000, frame_stack=STACK, n_step=N_STEP)
    adds = []
    for number in range(110):
        for step in episode(schema, f'e{number}', number, images, rng):
            begin = time.perf_counter()
            replay.add(step)
            adds.append(time.perf_counter() - begin)
    generator = torch.Generator().manual_seed(0)
    times = []
    for _ in range(repeats + 2):
        begin = time.perf_counter()
        batch = replay.sample(BATCH, False, rng)
        for stack in (*batch.images, *batch.next_images):
            random_shift(stack, SHIFT, generator)
        times.append(time.perf_counter() - begin)
    return times[2:], adds[-1000:]


def visibility(images, rng, directory: Path, count: int) -> list[float]:
    """Times (s) from `ingest` of a step by a training learner until it can be sampled."""
    schema = schema_of(64)
    options = LearnerOptions(min_steps=50, memory_gb=0.1, checkpoint_period=3600.0)
    learner = Learner(schema, directory, options, lambda *_: None, lambda _: None)
    threads = [
        threading.Thread(target=body, daemon=True)
        for body in (learner.train, learner.recorder.run)
    ]
    for thread in threads:
        thread.start()
    times, number = [], 0
    while len(times) < count:
        number += 1
        for step in episode(schema, f'v{number}', number, images, rng):
            before = len(learner.trainer.replay)
            begin = time.perf_counter()
            learner.ingest(step)
            # a step becomes a transition when the next step is added
            while step.index and len(learner.trainer.replay) == before:
                time.sleep(0.0005)
            times.append(time.perf_counter() - begin)
            time.sleep(max(0.0, 0.1 - (time.perf_counter() - begin)))
    learner.close(*threads)
    return times[50:]


def loading(schema, images, rng, directory: Path, steps: int) -> tuple[float, float]:
    """Write a run's bags and load them. Return steps per second, and megabytes on disk."""
    for number in range(steps // EPISODE):
        name = f'e{number:04d}'
        recorded = episode(schema, name, number, images, rng)
        bag = EpisodeBag(directory / name, schema, recorded[0].stamp)
        for step in recorded:
            bag.write(step)
        bag.close()
    size = sum(f.stat().st_size for f in directory.rglob('*.mcap')) / 1e6
    replay = Replay(schema, steps + steps // EPISODE + 1, frame_stack=STACK, n_step=N_STEP)
    begin = time.perf_counter()
    loaded = load_run(directory, replay, lambda _: None)
    seconds = time.perf_counter() - begin
    assert loaded.env_steps == steps == len(replay)
    return steps / seconds, size


def lerobot(venv: Path, threads: int, repeats: int) -> list[float] | None:
    """Times (s) of sampling the same batch from LeRobot's buffer; None if it is not installed."""
    python = venv / 'bin' / 'python'
    if not python.exists():
        print(f'lerobot is not installed in {venv}: lerobot_sample_ms and ratio are left out')
        return None
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    done = subprocess.run(
        [python, '-c', LEROBOT, str(threads), str(BATCH), str(STACK), str(repeats)],
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        print(f'lerobot in {venv} does not run: {done.stderr.strip().splitlines()[-1]}')
        return None
    return json.loads(done.stdout)


def main():
    """Measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--steps', type=int, default=36_000, help='steps in the bags to load')
    parser.add_argument('--repeats', type=int, default=20, help='batches')
    parser.add_argument('--visible', type=int, default=250, help='steps whose delay is measured')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument(
        '--lerobot',
        type=Path,
        default=HERE / '.venv-lerobot',
        help='venv with lerobot, torch, numpy, tqdm and huggingface_hub',
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rng = np.random.default_rng(0)
    schema, images = schema_of(84), make_images(84, 200, rng)
    result = {
        'bytes_per_step_84': Replay.bytes_per_step(schema),
        'bytes_per_step_2x128': Replay.bytes_per_step(schema_of(128, 2)),
    }
    times, adds = sampling(schema, images, rng, options.repeats)
    result['sample_ms'] = round(float(np.median(times)) * 1e3, 2)
    result['add_us'] = round(float(np.median(adds)) * 1e6, 1)
    with tempfile.TemporaryDirectory() as directory:
        delays = visibility(
            make_images(64, 200, rng), rng, Path(directory) / 'run', options.visible
        )
        result['visible_ms_p99'] = round(float(np.percentile(delays, 99)) * 1e3, 1)
    with tempfile.TemporaryDirectory() as directory:
        rate, size = loading(schema, images, rng, Path(directory), options.steps)
        result['load_steps_per_s'] = round(rate)
    lerobot_times = lerobot(options.lerobot, options.threads, options.repeats)
    if lerobot_times:
        result['lerobot_sample_ms'] = round(float(np.median(lerobot_times)) * 1e3, 2)
        result['ratio'] = round(result['lerobot_sample_ms'] / result['sample_ms'], 2)
    table = Table(
        title=f'replay: batch {BATCH}, 84x84, stack {STACK}, n-step {N_STEP}, '
        f'{options.threads} threads'
    )
    table.add_column('quantity')
    table.add_column('value', justify='right')
    table.add_column('limit', justify='right')
    limits = {
        'bytes_per_step_84': '21,600',
        'bytes_per_step_2x128': '99,000',
        'add_us': '100',
        'visible_ms_p99': '200',
        'load_steps_per_s': '7,200',
        'ratio': '3',
    }
    for name, value in result.items():
        table.add_row(name, f'{value:,}', limits.get(name, ''))
    table.add_row('36,000 steps load in, s', f'{36_000 / rate:.2f}', '5')
    table.add_row('bags on disk, MB', f'{size:.0f}', '')
    Console(file=sys.stdout).print(table)
    print(f'load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
    print(json.dumps(result))


if __name__ == '__main__':
    main()
