"""Every number of the algorithm, and its named sets: `cell` (the default) and `drqv2`.

`cell` is what learned best in the simulated cell; `drqv2` the published configuration (Yarats et
al. 2021), which had learned nothing there in the first 8 minutes of a run.
"""

from dataclasses import asdict, dataclass, field, replace
import json
from typing import Any

from hilserl_core.policy.exploration import schedule
from hilserl_core.policy.network_config import NetworkConfig
from so101_node.data_files import decode
from so101_node.errors import CellError
from so101_node.options import check_fields, option, options_of

DTYPES = ('bfloat16', 'float32')


@dataclass(frozen=True)
class AgentConfig:
    """Every number of the algorithm. Defaults: what learned best in the simulated cell."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    # Published: 1e-4, for runs a hundred times as long.
    learning_rate: float = option(3e-4, 'learning rate of all optimisers', low=0.0, high=1.0)
    tau: float = option(
        0.01, 'share by which the target critic follows the critic each update', low=0.0, high=1.0
    )
    # At first the EMA policy is the online policy (1); later it averages some 200 updates, which
    # is steadier than any single one.
    ema_tau: str = option(
        'linear(1,0.005,4000)',
        'share by which the EMA policy follows the online policy each update, over steps',
    )
    # HIL-SERL's: a success 100 steps away is still worth 0.05.
    discount: float = option(0.97, 'discount of a step', low=0.0, high=1.0)
    n_step: int = option(3, 'steps in a target before it bootstraps', low=1, high=20)
    noise_clip: float = option(
        0.3, "bound of the noise that smooths a target's action", low=0.0, high=2.0
    )
    shift: int = option(
        4, 'how far the random shift moves an image', unit='pixels', low=0, high=16
    )
    # A 0/1 reward at the end: no return is outside 0 and 1, and such a target is wrong.
    target_low: float = option(0.0, 'lower bound of a target')
    target_high: float = option(1.0, 'upper bound of a target')
    conv_dtype: str = option(
        'bfloat16',
        'number format of convolutions and trunks, on processors that have it',
        choices=DTYPES,
    )
    # At 256 units bfloat16 gains nothing.
    head_dtype: str = option('float32', 'number format of hidden layers', choices=DTYPES)
    bc: str = option('0', 'weight of cloning human actions (behaviour cloning), over steps')
    freeze_encoder: bool = option(
        False, 'whether the encoder stays as it is; encoder:=FILE sets it, at half the cost'
    )
    graph: bool = option(True, 'whether a GPU replays an update as one CUDA graph')

    def __post_init__(self) -> None:
        check_fields(self)
        schedule('bc', self.bc, 0.0, 1000.0)
        schedule('ema_tau', self.ema_tau, 0.0, 1.0)

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> 'AgentConfig':
        """Read it back; CellError if it is not one of this version."""
        return decode(text, cls, 'this agent configuration is not of this version')

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
        owners = [o for o in (config, config.network) if name in options_of(type(o))]
        if not separator or not owners:
            known = sorted([*options_of(AgentConfig), *options_of(NetworkConfig)])
            raise CellError(
                f'agent_options: {word!r} is not NAME=VALUE with one of ' + ', '.join(known)
            )
        (owner,) = owners
        try:
            changed: Any = replace(owner, **{name: options_of(type(owner))[name].parse(text)})
        except CellError as error:
            raise CellError('agent_options: ' + str(error).replace(':=', '=')) from None
        config = changed if owner is config else replace(config, network=changed)
    return config
