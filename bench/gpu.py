"""Measures the learner on a GPU, or on this CPU: an update's time in each way, and beside others.

Each update is measured eagerly, with the networks compiled by torch.compile (without and with its
own CUDA graphs), and as the graph that this suite captures. Then: the published update, two
learners at a time, and a change of the device and back. The last line is JSON. Without a GPU it
measures the CPU, and the result says so: nothing of a GPU follows from it.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
import json
import os
from pathlib import Path
import subprocess
import sys
import time

import learner as published
import numpy as np
from rich.console import Console
from rich.table import Table
import torch

from hilserl_core.contract.tasks import make_task
from hilserl_learner.agent.config import ALGORITHMS
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.replay.batch import Batch

CAMERAS, SIZE, BATCHES = 2, 128, (64, 256, 512)
EAGER, COMPILED, REDUCED, CAPTURED = WAYS = ('eager', 'compiled', 'compiled-graphs', 'captured')
WARM_UP, BLOCKS, BLOCK = 6, 5, 0.3  # updates; measurements, of s each at least
TOGETHER = 5.0  # s that two learners are measured
TOLERANCE = 1e-2  # of an action on another device: a GPU's convolutions may be in TF32


@dataclass(frozen=True)
class Row:
    """One measurement. ms: of an update, median; None: not measured, and `why`."""

    way: str
    batch: int
    ms: float | None
    why: str = ''


def schema_of(cameras: int, size: int):
    """The task of the measurements."""
    schema = make_task('grasp_lift', 'bench')
    first = replace(schema.cameras[0], out_height=size, out_width=size)
    return replace(
        schema, cameras=tuple(replace(first, name=f'camera_{i}') for i in range(cameras))
    )


def batch_of(schema, config, count: int, device: str) -> Batch:
    """Random transitions."""
    stack = 3 * config.network.frame_stack

    def images():
        return tuple(
            torch.randint(0, 256, (count, c.out_height, c.out_width, stack), dtype=torch.uint8)
            for c in schema.cameras
        )

    states, actions = len(schema.state_names), len(schema.action_names)
    return Batch(
        images=images(),
        state=torch.randn(count, states),
        action=torch.rand(count, actions) * 2 - 1,
        reward=torch.zeros(count),
        discount=torch.full((count,), 0.97),
        next_images=images(),
        next_state=torch.randn(count, states),
        human=torch.arange(count) % 2 == 0,
    ).to(torch.device(device))


def update_in(way: str, schema, config, batch: Batch, device: str) -> Callable[[], object]:
    """Return a function that makes one update in this way."""
    agent = Agent(schema, replace(config, graph=way == CAPTURED), device)
    if way in (COMPILED, REDUCED):
        mode = 'reduce-overhead' if way == REDUCED else 'default'
        for module in agent.modules().values():
            module.compile(mode=mode)

    def update():
        if way == REDUCED:
            torch.compiler.cudagraph_mark_step_begin()
        agent.update(batch, 0.2, 0.5)

    return update


def milliseconds(update: Callable[[], object], device: str, block: float = BLOCK) -> float:
    """Median time of an update, ms."""
    for _ in range(WARM_UP):
        update()
    took = spent(update, 1, device)
    count = max(1, round(block / max(took, 1e-6)))
    return round(1e3 * float(np.median([spent(update, count, device) for _ in range(BLOCKS)])), 3)


def spent(update: Callable[[], object], count: int, device: str) -> float:
    """Seconds of one of `count` updates."""
    wait = torch.cuda.synchronize if device == 'cuda' else lambda: None
    wait()
    began = time.perf_counter()
    for _ in range(count):
        update()
    wait()
    return (time.perf_counter() - began) / count


def measure(way: str, schema, config, count: int, device: str) -> Row:
    """Measure one way of an update; a way that fails here is a row with the reason."""
    if device != 'cuda' and way in (REDUCED, CAPTURED):
        return Row(way, count, None, 'needs a GPU')
    try:
        update = update_in(way, schema, config, batch_of(schema, config, count, device), device)
        return Row(way, count, milliseconds(update, device))
    except RuntimeError as error:  # out of memory, or no compiler
        return Row(way, count, None, ' '.join(str(error).split())[:200])


def against_published(count: int, device: str) -> dict[str, float]:
    """Ms of the published update and of ours with its numbers: one camera of 84, stack of 3."""
    schema, config = schema_of(1, published.SIZE), ALGORITHMS['drqv2']
    with torch.device(device):
        theirs = published.Reference()
        _, plain = published.inputs(count, schema)

        def reference():
            with torch.device(device):
                theirs.update(*plain)

        found = {'published_ms': milliseconds(reference, device)}
    way = CAPTURED if device == 'cuda' else EAGER
    ours = update_in(way, schema, config, batch_of(schema, config, count, device), device)
    return found | {'ours_ms': milliseconds(ours, device)}


def work(schema, count: int, device: str) -> None:
    """Be one of two learners: warm up, wait for a line, print the updates in TOGETHER s."""
    config, way = ALGORITHMS['cell'], CAPTURED if device == 'cuda' else EAGER
    update = update_in(way, schema, config, batch_of(schema, config, count, device), device)
    spent(update, WARM_UP, device)
    print('ready', flush=True)
    sys.stdin.readline()
    end, made = time.perf_counter() + TOGETHER, 0
    while time.perf_counter() < end:
        spent(update, 1, device)
        made += 1
    print(made, flush=True)


def together(learners: int, options: argparse.Namespace, count: int) -> float:
    """Updates a second of so many learners at a time, all together."""
    words = [sys.executable, __file__, '--worker', str(count), '--device', options.device]
    words += ['--cameras', str(options.cameras), '--size', str(options.size)]
    processes = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(learners)
    ]
    for process in processes:
        if process.stdout.readline().strip() != 'ready':
            raise SystemExit('bench gpu: a second learner could not be started')
    for process in processes:
        process.stdin.write('\n')
        process.stdin.flush()
    return round(sum(int(process.communicate()[0]) for process in processes) / TOGETHER, 2)


def moved(schema, device: str) -> float:
    """Learn on the CPU, on the device and on the CPU again; return the largest change of actions.

    An action is computed before and after each change of the device. SystemExit if a weight or a
    moment of an optimiser changes on the way.
    """
    config, most = ALGORITHMS['cell'], 0.0
    kept = Agent(schema, config, 'cpu')
    for place in ('cpu', device, 'cpu'):
        agent = Agent(schema, config, place)
        agent.load_state(kept.state())
        for name, value in agent.state().items():
            before = kept.state()[name]
            if name != 'generator' and not torch.equal(value.cpu(), before.cpu()):
                raise SystemExit(f'bench gpu: {name} changed on its way to {place}')
        batch = batch_of(schema, config, 8, 'cpu')
        ours, theirs = (
            each.act(batch.to(each.device).images, batch.state.to(each.device)).cpu()
            for each in (kept, agent)
        )
        most = max(most, float((ours - theirs).abs().max()))
        for _ in range(WARM_UP):
            agent.update(batch.to(agent.device), 0.2, 0.5)
        kept = agent
    if most > TOLERANCE:
        raise SystemExit(f'bench gpu: actions differ by {most:.2g} between the devices')
    return most


def show(rows: list[Row], place: str) -> None:
    """Print a table."""
    table = Table('way', 'batch', 'ms an update', title=f'one update on {place}')
    for row in rows:
        table.add_row(row.way, str(row.batch), f'{row.ms:g}' if row.ms else row.why)
    Console(width=120, stderr=True).print(table)


def main() -> None:
    """Measure; print tables, and the result as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    found = 'cuda' if torch.cuda.is_available() else 'cpu'
    parser.add_argument('--device', choices=('cuda', 'cpu'), default=found)
    parser.add_argument('--batches', type=int, nargs='+', help='transitions in an update')
    parser.add_argument('--ways', choices=WAYS, nargs='+', default=WAYS)
    parser.add_argument('--cameras', type=int, default=CAMERAS)
    parser.add_argument('--size', type=int, default=SIZE, help='of an image, pixels')
    parser.add_argument('--minutes', type=float, default=7.0, help='then no further row is begun')
    parser.add_argument('--out', type=Path, help='file for the JSON')
    parser.add_argument('--worker', type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == 'cuda' and found != 'cuda':
        raise SystemExit('bench gpu: PyTorch finds no GPU here; --device cpu measures the CPU')
    schema, device = schema_of(options.cameras, options.size), options.device
    if options.worker:
        work(schema, options.worker, device)
        return
    # a CPU makes one update of 512 in a minute; its figures are there to try the program
    batches = options.batches or (BATCHES if device == 'cuda' else BATCHES[:1])
    place = torch.cuda.get_device_name() if device == 'cuda' else f'CPU ({os.cpu_count()} cores)'
    if device == 'cpu':
        print('bench gpu: no GPU is measured; these figures are of the CPU', file=sys.stderr)
    end, rows = time.monotonic() + 60.0 * options.minutes, []
    result = {'device': device, 'place': place, 'torch': torch.__version__}
    result |= {'cameras': options.cameras, 'size': options.size}
    result['moved_max_action_difference'] = moved(schema, device)
    middle = batches[len(batches) // 2]
    result |= against_published(middle, device) | {'published_batch': middle}
    result['ratio_to_published'] = round(result['published_ms'] / result['ours_ms'], 2)
    for way in options.ways:
        for count in batches:
            late = time.monotonic() > end
            rows.append(
                Row(way, count, None, 'no time was left')
                if late
                else measure(way, schema, ALGORITHMS['cell'], count, device)
            )
    for learners in (1, 2):
        result[f'updates_per_s_of_{learners}'] = together(learners, options, middle)
    result |= {'together_batch': middle, 'rows': [asdict(row) for row in rows]}
    result['load'] = round(os.getloadavg()[0], 1)
    show(rows, place)
    print(json.dumps(result))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
