"""Measures the learner's update and the published one: rates, ratio, share of each part."""

import argparse
from dataclasses import replace
import json
import os
import resource
import time

os.environ.setdefault('KINETO_LOG_LEVEL', '99')

import numpy as np
from rich.console import Console
from rich.table import Table
import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from hilserl_core.contract.tasks import make_task
from hilserl_learner.agent.config import ALGORITHMS
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.replay.buffer import Batch
from hilserl_learner.training.malloc import keep_freed_memory

SIZE, STACK, HIDDEN, BOTTLENECK, ACTIONS, SIGMA = 84, 3, 1024, 50, 4, 0.2
PARTS = {
    'convolutions forward': ('aten::mkldnn_convolution', 'aten::convolution_overrideable'),
    'convolutions backward': ('aten::convolution_backward',),
    'matrix products': ('aten::addmm', 'aten::mm', 'aten::mkldnn_linear'),
    'random shift': ('aten::index_select', 'aten::randint', 'aten::random_'),
    'Adam': ('aten::_fused_adam_',),
    'moving average': ('aten::lerp_', 'aten::_foreach_lerp_'),
    'conversions and copies': ('aten::copy_',),
}


class Reference:
    """The update as published: float32, one optimiser a network, nothing fused or shared."""

    def __init__(self):
        layers = []
        for inputs, stride in ((3 * STACK, 2), (32, 1), (32, 1), (32, 1)):
            layers += [nn.Conv2d(inputs, 32, 3, stride), nn.ReLU()]
        self.encoder = nn.Sequential(*layers)
        features = 32 * 35 * 35

        def trunk():
            return nn.Sequential(
                nn.Linear(features, BOTTLENECK), nn.LayerNorm(BOTTLENECK), nn.Tanh()
            )

        def mlp(inputs, outputs):
            return nn.Sequential(
                nn.Linear(inputs, HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, outputs),
            )

        def critic():
            return nn.ModuleList(
                [trunk(), mlp(BOTTLENECK + ACTIONS, 1), mlp(BOTTLENECK + ACTIONS, 1)]
            )

        self.actor = nn.ModuleList([trunk(), mlp(BOTTLENECK, ACTIONS)])
        self.critic, self.target = critic(), critic()
        self.target.load_state_dict(self.critic.state_dict())
        self.optimizers = [
            torch.optim.Adam(m.parameters(), lr=1e-4)
            for m in (self.encoder, self.critic, self.actor)
        ]

    @staticmethod
    def shift(images, pad=4):
        """Replicate-pad, then sample a shifted grid bilinearly."""
        count, _, _, side = images.shape
        padded = F.pad(images, (pad, pad, pad, pad), mode='replicate')
        width = side + 2 * pad
        line = torch.linspace(-1.0 + 1.0 / width, 1.0 - 1.0 / width, width)[:side]
        y, x = torch.meshgrid(line, line, indexing='ij')
        grid = torch.stack([x, y], 2).expand(count, -1, -1, -1)
        offset = torch.randint(0, 2 * pad + 1, (count, 1, 1, 2)).float() * (2.0 / width)
        return F.grid_sample(padded, grid + offset, padding_mode='zeros', align_corners=False)

    def encode(self, images):
        """(B, 39200) features of (B, 9, 84, 84) images."""
        return self.encoder(images / 255.0 - 0.5).reshape(len(images), -1)

    def act(self, features):
        """Mean action plus clipped noise."""
        trunk, policy = self.actor
        mean = torch.tanh(policy(trunk(features)))
        action = mean + (torch.randn_like(mean) * SIGMA).clamp(-0.3, 0.3)
        return action - action.detach() + action.detach().clamp(-1 + 1e-6, 1 - 1e-6)

    @staticmethod
    def value(critic, features, action):
        """Both Qs."""
        trunk, q1, q2 = critic
        x = torch.cat([trunk(features), action], 1)
        return q1(x), q2(x)

    def update(self, images, next_images, action, reward, discount):
        """One update."""
        encoder_optimizer, critic_optimizer, actor_optimizer = self.optimizers
        features = self.encode(self.shift(images.float()))
        with torch.no_grad():
            next_features = self.encode(self.shift(next_images.float()))
            next_value = torch.min(
                *self.value(self.target, next_features, self.act(next_features))
            )
            target = reward + discount * next_value
        q1, q2 = self.value(self.critic, features, action)
        loss = F.mse_loss(q1, target) + F.mse_loss(q2, target)
        encoder_optimizer.zero_grad(set_to_none=True)
        critic_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        critic_optimizer.step()
        encoder_optimizer.step()

        features = features.detach()
        loss = -torch.min(*self.value(self.critic, features, self.act(features))).mean()
        actor_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        actor_optimizer.step()

        for ours, averaged in zip(self.critic.parameters(), self.target.parameters()):
            averaged.data.copy_(0.01 * ours.data + 0.99 * averaged.data)


def inputs(count, schema):
    """One batch, in the form of our update and in that of the reference."""

    def images():
        return torch.randint(0, 256, (count, SIZE, SIZE, 3 * STACK), dtype=torch.uint8)

    def channels_first(stack):
        return stack.permute(0, 3, 1, 2).contiguous()

    state = torch.randn(2, count, len(schema.state_names))
    first, following = images(), images()
    action, reward = torch.rand(count, ACTIONS) * 2 - 1, torch.zeros(count)
    discount = torch.full((count,), 0.97)
    batch = Batch(
        (first,),
        state[0],
        action,
        reward,
        discount,
        (following,),
        state[1],
        torch.zeros(count, dtype=torch.bool),
    )
    return batch, (
        channels_first(first),
        channels_first(following),
        action,
        reward[:, None],
        discount[:, None],
    )


def timed(function):
    """(wall, processor) seconds of one call."""
    wall, used = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - used


def shares(function, repeats=3):
    """The share of time of each kind of operation, as (name, fraction)."""
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        for _ in range(repeats):
            function()
    spent = {event.key: event.self_cpu_time_total for event in recorded.key_averages()}
    total = sum(spent.values())
    found = [
        (part, sum(spent.get(key, 0.0) for key in keys) / total) for part, keys in PARTS.items()
    ]
    return [*found, ('the rest', 1.0 - sum(share for _, share in found))]


def main():
    """Measure both updates alternately; print tables and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument(
        '--rounds', type=int, default=9, help='measurements of each update, alternating'
    )
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    schema = make_task('grasp_lift', 'bench')
    camera = replace(schema.cameras[0], out_height=SIZE, out_width=SIZE)
    schema = replace(schema, cameras=(camera,))
    console, result = Console(), {}
    rates = Table(title=f'updates per second, {options.threads} threads, 84x84, stack 3')
    for heading in ('batch', 'ours', 'reference', 'ratio', 'ratio of processor time'):
        rates.add_column(heading, justify='right')
    for count in (64, 256):
        ours, reference = Agent(schema, ALGORITHMS['drqv2']), Reference()
        batch, plain = inputs(count, schema)
        # bound as defaults, because the names change in the next round
        updates = (
            lambda o=ours, b=batch: o.update(b, SIGMA),
            lambda r=reference, p=plain: r.update(*p),
        )
        measured = []
        for number in range(options.rounds + 1):
            times = [timed(update) for update in updates]
            if number:  # the first one warms up
                measured.append(times)
        wall, used = np.median(measured, axis=0).T
        result |= {
            f'updates_per_s_{count}': round(1 / wall[0], 2),
            f'reference_per_s_{count}': round(1 / wall[1], 2),
            f'ratio_{count}': round(wall[1] / wall[0], 2),
        }
        rates.add_row(
            str(count),
            f'{1 / wall[0]:.2f}',
            f'{1 / wall[1]:.2f}',
            f'{wall[1] / wall[0]:.2f}',
            f'{used[1] / used[0]:.2f}',
        )
    table = Table(title='share of each part of our update, batch 256')
    table.add_column('part')
    table.add_column('%', justify='right')
    for part, share in shares(updates[0]):
        table.add_row(part, f'{100 * share:.1f}')
    console.print(rates)
    console.print(table)
    result['rss_mb'] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(
        json.dumps(
            {
                k: result[k]
                for k in (
                    'updates_per_s_256',
                    'updates_per_s_64',
                    'reference_per_s_256',
                    'reference_per_s_64',
                    'ratio_256',
                    'ratio_64',
                    'rss_mb',
                )
            }
            | {'load': round(os.getloadavg()[0], 1)}
        )
    )


if __name__ == '__main__':
    main()
