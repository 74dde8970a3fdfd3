"""Starts a new agent from an earlier checkpoint, a policy, or only an encoder."""

from pathlib import Path

from hilserl_core.policy.bundle import Bundle
from hilserl_core.policy.checkpoint_names import MAX_POLICY, POLICY
from hilserl_core.policy.inference import Policy
from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes

from ..agent.algorithm import Algorithm, require_algorithm
from ..agent.algorithm_name import DRQV2
from .checkpoints import load, restore

ENCODER_FIELDS = ('frame_stack', 'channels', 'strides')


def adopt_policy(agent: Algorithm, path: Path) -> str:
    """Start an agent from a policy bundle, or from a checkpoint (a directory) with its critics.

    Returns a sentence on its source; CellError if it does not fit.
    """
    bundle = _read(path / POLICY if path.is_dir() else path, 'pretrained policy')
    lines = agent.schema.differences(bundle.schema)
    if bundle.network != agent.config.network:
        lines.append(f'network: {agent.config.network} here, {bundle.network} there')
    if lines:
        raise CellError(f'pretrained policy {path} is of another task; ' + '; '.join(lines))
    require_algorithm(f'pretrained policy {path}', bundle.algorithm or DRQV2, agent)
    if path.is_dir():
        restore(agent, load(path))
        source = f'checkpoint {path}: {bundle.updates:,} updates, critics included'
    else:
        agent.start_from(Policy(bundle).modules())
        source = f'policy {path}: version {bundle.version}, {bundle.updates:,} updates'
    agent.keep_start()
    return f'started from {source}'


def adopt_encoder(agent: Algorithm, path: Path) -> str:
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
    agent.start_from({'encoder': Policy(bundle).encoder})
    return f'encoder of {path}, frozen: version {bundle.version}, {bundle.updates:,} updates'


def _read(path: Path, kind: str) -> Bundle:
    return Bundle.from_bytes(read_bytes(path, kind, MAX_POLICY))
