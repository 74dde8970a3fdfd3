"""A pretrained encoder, from any policy bundle that sees the same images."""
from pathlib import Path

from so101_description.errors import CellError

from .agent import Agent
from .policy import Bundle, Policy

SHAPING = ('frame_stack', 'channels', 'strides')


def adopt_encoder(agent: Agent, path: Path) -> str:
    """Put the encoder of a policy bundle into an agent, strictly; returns a sentence on it."""
    try:
        bundle = Bundle.from_bytes(path.read_bytes())
    except OSError as error:
        raise CellError(f'encoder {path} cannot be read: {error}') from error
    lines = [
        f'{name}: {getattr(agent.config.network, name)} here, {getattr(bundle.network, name)} there'
        for name in SHAPING
        if getattr(agent.config.network, name) != getattr(bundle.network, name)]
    if agent.schema.cameras != bundle.schema.cameras:
        lines.append(f'cameras: {agent.schema.cameras} here, {bundle.schema.cameras} there')
    if lines:
        raise CellError(f'encoder {path} sees other images; ' + '; '.join(lines))
    agent.encoder.load_state_dict(Policy(bundle).encoder.state_dict())
    return (f'encoder of {path}, frozen: version {bundle.version}, '
            f'{bundle.updates:,} updates')
