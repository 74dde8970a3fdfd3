"""A DrQ-v2 state dict becomes the same policy; tensors that do not fit are listed."""

from dataclasses import replace
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from hilserl_core.policy.inference import Policy
from hilserl_learner.importing.policy_snapshot import KEYS, convert, read_weights
from so101_node.errors import CellError

FEATURES = 32 * 25 * 25  # 64x64 pixels, strides 2, 1, 1, 1


@pytest.fixture(scope='module')
def published():
    """Encoder and actor as published, channels first."""
    torch.manual_seed(0)
    layers = []
    for inputs, stride in ((9, 2), (32, 1), (32, 1), (32, 1)):
        layers += [nn.Conv2d(inputs, 32, 3, stride), nn.ReLU()]
    trunk = nn.Sequential(nn.Linear(FEATURES, 50), nn.LayerNorm(50), nn.Tanh())
    policy = nn.Sequential(
        nn.Linear(50, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)
    )
    return nn.ModuleDict(
        {
            'encoder': nn.ModuleDict({'convnet': nn.Sequential(*layers)}),
            'actor': nn.ModuleDict({'trunk': trunk, 'policy': policy}),
        }
    )


def test_the_imported_policy_acts_as_the_published_network_does(schema, published, tmp_path):
    torch.save({p: m.state_dict() for p, m in published.items()}, tmp_path / 'weights.pt')
    data, lines = convert(read_weights(tmp_path / 'weights.pt'), schema)
    assert len(lines) == len(KEYS) == 18 and any('channels last' in line for line in lines)
    policy = Policy.from_bytes(data, schema.hash)
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(3)]
    for frame in frames:
        action = policy.act([frame], rng.normal(size=19), 0.0, rng)
    pixels = torch.from_numpy(np.concatenate(frames, 2)).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        features = published['encoder']['convnet'](pixels / 255 - 0.5).flatten(1)
        expected = torch.tanh(published['actor']['policy'](published['actor']['trunk'](features)))
    np.testing.assert_allclose(action, expected[0], atol=1e-5)


def test_all_shapes_that_do_not_fit_are_listed(schema, published):
    camera = replace(schema.cameras[0], out_height=84, out_width=84)
    weights = {**published.state_dict(), 'critic.Q1.0.weight': torch.zeros(3)}
    with pytest.raises(
        CellError,
        match=r'actor.trunk.0.weight is \(50, 20000\), '
        r'actor.trunk.image.0.weight is \(50, 39200\)',
    ):
        convert(weights, replace(schema, cameras=(camera,)))
    assert 'critic.Q1.0.weight: not in a policy, left out' in convert(weights, schema)[1]
    del weights['actor.policy.4.bias']
    with pytest.raises(CellError, match='1 of 18 tensors are missing: actor.policy.4.bias'):
        convert(weights, schema)


def test_a_task_with_two_cameras_is_refused(schema, published):
    weights = published.state_dict()
    two = replace(
        schema, cameras=(schema.cameras[0], replace(schema.cameras[0], name='front_camera'))
    )
    with pytest.raises(CellError, match='has one camera, the task grasp_lift has 2'):
        convert(weights, two)


def test_a_pickled_object_is_not_loaded(published, tmp_path):
    torch.save({'agent': published}, tmp_path / 'snapshot.pt')
    with pytest.raises(CellError, match='holds pickled objects'):
        read_weights(tmp_path / 'snapshot.pt')
    (tmp_path / 'x.pt').write_bytes(b'x')
    with pytest.raises(CellError):
        read_weights(tmp_path / 'x.pt')


@pytest.mark.slow
def test_the_command_writes_a_bundle_once(published, tmp_path):
    torch.save(published.state_dict(), tmp_path / 'weights.pt')
    command = [
        sys.executable,
        '-m',
        'so101_node.verb',
        'import',
        '--policy',
        str(tmp_path / 'weights.pt'),
        '--out',
        str(tmp_path / 'policy.safetensors'),
    ]
    first = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert first.returncode == 0 and '18 tensors matched' in first.stdout, first.stderr
    assert Policy.from_bytes((tmp_path / 'policy.safetensors').read_bytes()).version == 0
    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert again.returncode == 1 and 'cannot be written' in again.stderr
    assert 'Traceback' not in again.stderr
    other = subprocess.run(
        [*command[:-1], str(tmp_path / 'other'), '--frame-size', '84'],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert other.returncode == 1 and '(50, 39200)' in other.stderr
