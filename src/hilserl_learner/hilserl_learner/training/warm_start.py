"""Starts a new agent from an earlier checkpoint, a policy, or only an encoder."""

from pathlib import Path

from hilserl_core.policy.bundle import Bundle
from hilserl_core.policy.checkpoint_names import MAX_POLICY, POLICY
from hilserl_core.policy.inference import Policy
from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes

from ..agent.drqv2 import Agent
from .checkpoints import load, restore

ENCODER_FIELDS = ('frame_stack', 'channels', 'strides')


def adopt_policy(agent: Agent, path: Path) -> str:
    """Start an agent from a policy bundle, or from a checkpoint (a directory) with its critics.

    Returns a sentence on its source; CellError if it does not fit.
    """
    bundle = _read(path / POLICY if path.is_dir() else path, 'pretrained policy')
    lines = agent.schema.differences(bundle.schema)
    if bundle.network != agent.config.network:
        lines.append(f'network: {agent.config.network} here, {bundle.network} there')
    if lines:
        raise CellError(f'pretrained policy {path} is of another task; ' + '; '.join(lines))
    if path.is_dir():
        restore(agent, load(path))
        return f'started from checkpoint {path}: {bundle.updates:,} updates, critics included'
    for part, module in Policy(bundle).modules().items():
        agent.modules()[part].load_state_dict(module.state_dict())
    if agent.gripper and agent.gripper_target:
        agent.gripper_target.load_state_dict(agent.gripper.state_dict())
    agent.reset_ema()
    return f'started from policy {path}: version {bundle.version}, {bundle.updates:,} updates'


def adopt_encoder(agent: Agent, path: Path) -> str:
    """Copy the encoder of a policy bundle into an agent; returns a sentence on its source.

    CellError if it does not fit.
    """
    bundle = _read(path, 'encoder')
    lines = [
        f'{name}: {ours} here, {theirs} there'
        for name in ENCODER_FIELDS
        if (ours := getattr(agent.config.network, name))
        != (theirs := getattr(bundle.network, name))
    ]
    if agent.schema.cameras != bundle.schema.cameras:
        lines.append(f'cameras: {agent.schema.cameras} here, {bundle.schema.cameras} there')
    if lines:
        raise CellError(f'encoder {path} is for other images; ' + '; '.join(lines))
    agent.encoder.load_state_dict(Policy(bundle).encoder.state_dict())
    agent.reset_ema()
    return f'encoder of {path}, frozen: version {bundle.version}, {bundle.updates:,} updates'


def _read(path: Path, kind: str) -> Bundle:
    return Bundle.from_bytes(read_bytes(path, kind, MAX_POLICY))
