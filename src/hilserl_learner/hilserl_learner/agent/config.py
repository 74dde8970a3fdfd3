"""Every number of the algorithm, and its named sets: `cell` (the default) and `drqv2`.

`cell` is what learned best in the simulated cell; `drqv2` the published configuration (Yarats et
al. 2021), which had learned nothing there in the first 8 minutes of a run.
"""

from dataclasses import asdict, dataclass, field, fields, replace
import json
from typing import Any

from hilserl_core.policy.exploration import schedule
from hilserl_core.policy.network_config import NetworkConfig
from so101_node.errors import CellError


@dataclass(frozen=True)
class AgentConfig:
    """Every number of the algorithm. Defaults: what learned best in the simulated cell."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    learning_rate: float = 3e-4  # published 1e-4, for runs a hundred times as long
    tau: float = 0.01  # published
    # Over steps: at first the EMA policy is the online policy (1); later it averages some 200
    # updates, which is steadier than any single one.
    ema_tau: str = 'linear(1,0.005,4000)'
    discount: float = 0.97  # HIL-SERL's; a success 100 steps away is still worth 0.05
    n_step: int = 3  # published
    noise_clip: float = 0.3  # published
    shift: int = 4  # published, pixels
    target_low: float = 0.0  # a 0/1 reward at the end: no return is outside 0 and 1,
    target_high: float = 1.0  # and a target outside is known to be wrong
    conv_dtype: str = 'bfloat16'  # convolutions and trunks, on processors that have it
    head_dtype: str = 'float32'  # hidden layers; at 256 units bfloat16 gains nothing
    bc: str = '0'  # weight of cloning human actions, over steps
    freeze_encoder: bool = False  # of a pretrained encoder: half the cost, if it sees enough
    graph: bool = True  # on a GPU, one CUDA graph an update: launches cost more

    def __post_init__(self):
        schedule('bc', self.bc, 0.0, 1000.0)
        schedule('ema_tau', self.ema_tau, 0.0, 1.0)
        for name in ('conv_dtype', 'head_dtype'):
            if getattr(self, name) not in ('bfloat16', 'float32'):
                raise CellError(f'{name} is {getattr(self, name)!r}; it is bfloat16 or float32')
        for name, low, high in (
            ('discount', 0.0, 1.0),
            ('tau', 0.0, 1.0),
            ('n_step', 1, 20),
            ('shift', 0, 16),
            ('learning_rate', 0.0, 1.0),
            ('noise_clip', 0.0, 2.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise CellError(
                    f'{name} is {getattr(self, name)}; it must be from {low} to {high}'
                )

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> 'AgentConfig':
        """Read it back; CellError if it is not one of this version."""
        try:
            data = json.loads(text)
            network = NetworkConfig.from_json(json.dumps(data.pop('network')))
            return cls(network=network, **data)
        except (ValueError, TypeError, KeyError) as error:
            raise CellError(f'this agent configuration is not of this version: {error}') from error

    def differences(self, other: 'AgentConfig') -> list[str]:
        """One line for each number that differs: `discount 0.97 here, 0.99 there`."""
        ours, theirs = (
            {**{k: v for k, v in asdict(c).items() if k != 'network'}, **asdict(c.network)}
            for c in (self, other)
        )
        return [
            f'{name} {ours[name]} here, {theirs[name]} there'
            for name in ours
            if ours[name] != theirs[name]
        ]


ALGORITHMS = {
    'cell': AgentConfig(),
    'drqv2': AgentConfig(
        network=NetworkConfig(
            frame_stack=3, strides=(2, 1, 1, 1), hidden=1024, critic_layer_norm=False
        ),
        learning_rate=1e-4,
        ema_tau='1',
        discount=0.99,
        target_low=-1e9,
        target_high=1e9,
        head_dtype='bfloat16',
    ),
}


def agent_config(algorithm: str, changes: str = '') -> AgentConfig:
    """The named configuration with changes: `discount=0.99 frame_stack=3`. CellError if wrong."""
    if algorithm not in ALGORITHMS:
        raise CellError(f'algorithm is {algorithm!r}; it is one of ' + ', '.join(ALGORITHMS))
    config = ALGORITHMS[algorithm]
    for word in changes.split():
        name, separator, text = word.partition('=')
        owners = [o for o in (config, config.network) if name in _option_names(o)]
        if not separator or not owners:
            known = sorted(_option_names(config) + _option_names(config.network))
            raise CellError(
                f'agent_options: {word!r} is not NAME=VALUE with one of ' + ', '.join(known)
            )
        (owner,) = owners
        changed: Any = replace(owner, **{name: _value(name, text, getattr(owner, name))})
        config = changed if owner is config else replace(config, network=changed)
    return config


def _option_names(owner) -> list[str]:
    return [f.name for f in fields(owner) if f.name != 'network']


def _value(name: str, text: str, default):
    """`text` as a value of the same kind as `default`."""
    try:
        if isinstance(default, bool):
            return {'true': True, 'false': False}[text]
        if isinstance(default, tuple):
            return tuple(int(part) for part in text.split(','))
        return type(default)(text)
    except (KeyError, ValueError):
        kind = {
            bool: 'true or false',
            int: 'a whole number',
            float: 'a number',
            tuple: 'whole numbers with commas between',
        }[type(default)]
        raise CellError(f'agent_options: {name}={text} is not {kind}') from None
