"""Every number of an algorithm, and the named sets: `cell` (the default), `drqv2` and `sac`.

`cell` is what learned best in the simulated cell; `drqv2` the published configuration (Yarats et
al. 2021), which had learned nothing there in the first 8 minutes of a run. docs/learner.md lists
in what a run with it differs from the published training.

Numbers that count steps or are per step (`discount`, `n_step`, schedules) are those of a task at
`REFERENCE_RATE`. At another rate they keep their meaning in seconds.
"""

from dataclasses import asdict, dataclass, field, replace
import json
from typing import Any, ClassVar, Self

from hilserl_core.policy.exploration import REFERENCE_RATE, schedule
from hilserl_core.policy.network_config import NetworkConfig
from so101_node.data_files import decode
from so101_node.errors import CellError
from so101_node.options import check_fields, option, options_of

from .algorithm_name import DRQV2, SAC, import_algorithm

DTYPES = ('bfloat16', 'float32')


@dataclass(frozen=True)
class AlgorithmConfig:
    """The numbers that the suite and its algorithms share. A subclass adds its own.

    Defaults: what learned best in the simulated cell.
    """

    algorithm: ClassVar[str] = ''  # package.module:Class, of an algorithm of this suite

    network: NetworkConfig = field(default_factory=NetworkConfig)
    # Published: 1e-4, for runs a hundred times as long.
    learning_rate: float = option(3e-4, 'learning rate of all optimisers', low=0.0, high=1.0)
    tau: float = option(
        0.01, 'share by which the target critic follows the critic each update', low=0.0, high=1.0
    )
    # An average of 100 to 200 updates is steadier than any single one.
    ema_tau: str = option(
        'linear(0.01,0.005,4000)',
        'share by which the EMA policy follows the online policy each update, over steps',
    )
    # HIL-SERL's: a success 100 steps away is still worth 0.05.
    discount: float = option(0.97, 'discount of a step', low=0.0, high=1.0)
    n_step: int = option(3, 'steps in a target before it bootstraps', low=1, high=20)
    shift: int = option(
        4, 'how far the random shift moves an image', unit='pixels', low=0, high=16
    )
    clip_gradient: float = option(
        0.0, 'largest L2 norm of a gradient, for each optimiser; 0: no limit', low=0.0, high=1e6
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
    # High while the critic is new, so that the policy keeps what it was given; low later, so that
    # it can become better than the human.
    bc: str = option(
        'linear(2,0.2,4000)', 'weight of cloning human actions (behaviour cloning), over steps'
    )
    bc_encoder: bool = option(True, 'whether cloning trains the encoder, too')
    # With the default of `bc`: from 10, because new critics must not decide, to 0.1, because the
    # policy is to become better than the one it started from.
    bc_start: float = option(
        2.5,
        'weight of cloning the policy that a run starts from (pretrained) where no human acts, as '
        'a multiple of the square of bc; 0: it is not cloned',
        low=0.0,
        high=1000.0,
    )
    freeze_encoder: bool = option(
        False, 'whether the encoder stays as it is; encoder:=FILE sets it, at half the cost'
    )

    def __post_init__(self) -> None:
        check_fields(self)
        schedule('bc', self.bc, 0.0, 1000.0)
        schedule('ema_tau', self.ema_tau, 0.0, 1.0)

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read it back; CellError if it is not one of this version."""
        return decode(text, cls, 'this agent configuration is not of this version')

    def discount_at(self, rate: float) -> float:
        """Return the discount of a step at this rate (Hz): that of a second stays the same."""
        return float(self.discount ** (REFERENCE_RATE / rate))

    def n_step_at(self, rate: float) -> int:
        """Return the steps of a target at this rate (Hz): their seconds stay the same."""
        return max(1, round(self.n_step * rate / REFERENCE_RATE))

    def ema_tau_at(self, rate: float, env_steps: int, updates: int) -> float:
        """Return the EMA policy's share for one update, after that many steps at this rate (Hz).

        With one update for each step, the average is over the same seconds at every rate. After
        few updates it is over a tenth of them: the first networks are random.
        """
        tau = schedule('ema_tau', self.ema_tau, 0.0, 1.0).at(rate)(env_steps)
        steady = 1.0 - (1.0 - tau) ** (REFERENCE_RATE / rate)
        return float(max(steady, 10.0 / (10.0 + updates)))

    def differences(self, other: 'AlgorithmConfig') -> list[str]:
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


@dataclass(frozen=True)
class AgentConfig(AlgorithmConfig):
    """The numbers of DrQ-v2."""

    algorithm: ClassVar[str] = DRQV2

    noise_clip: float = option(
        0.3, "bound of the noise that smooths a target's action", low=0.0, high=2.0
    )
    graph: bool = option(True, 'whether a GPU replays an update as one CUDA graph')


@dataclass(frozen=True)
class SacConfig(AlgorithmConfig):
    """The numbers of SAC."""

    algorithm: ClassVar[str] = SAC

    temperature: float = option(
        0.01, 'weight of the entropy at the start; it is learned', low=1e-6, high=100.0
    )
    # Half of the published one (Haarnoja et al. 2018), as in RLPD.
    target_entropy: float = option(
        -0.5,
        'entropy that the temperature aims at, for each action component',
        low=-10.0,
        high=1.0,
    )


ALGORITHMS: dict[str, AlgorithmConfig] = {
    'cell': AgentConfig(),
    'drqv2': AgentConfig(
        network=NetworkConfig(
            frame_stack=3, strides=(2, 1, 1, 1), hidden=1024, critic_layer_norm=False
        ),
        learning_rate=1e-4,
        ema_tau='1',
        bc='0',
        discount=0.99,
        target_low=-1e9,
        target_high=1e9,
        head_dtype='bfloat16',
    ),
    'sac': SacConfig(),
}


def class_name(algorithm: str) -> str:
    """The class of an algorithm, `package.module:Class`: of a named set, or as it is given."""
    return ALGORITHMS[algorithm].algorithm if algorithm in ALGORITHMS else algorithm


def find_config(algorithm: str) -> AlgorithmConfig:
    """The numbers of a named set, or the defaults of `package.module:Class`.

    CellError if there is no such algorithm. A class that is not of this suite is imported.
    """
    if algorithm in ALGORITHMS:
        return ALGORITHMS[algorithm]
    if ':' not in algorithm:
        raise CellError(
            f'algorithm is {algorithm!r}; it is one of {", ".join(ALGORITHMS)}, or '
            'package.module:Class'
        )
    config = import_algorithm(algorithm).CONFIG
    if not (isinstance(config, type) and issubclass(config, AlgorithmConfig)):
        raise CellError(
            f'algorithm {algorithm}: CONFIG is {config!r}; it must be a dataclass that extends '
            'hilserl_learner.agent.config.AlgorithmConfig'
        )
    return config()


def agent_config(algorithm: str, changes: str = '') -> AlgorithmConfig:
    """The configuration with changes: `discount=0.99 frame_stack=3`. CellError if wrong."""
    config = find_config(algorithm)
    for word in changes.split():
        name, separator, text = word.partition('=')
        owners = [o for o in (config, config.network) if name in options_of(type(o))]
        if not separator or not owners:
            known = sorted([*options_of(type(config)), *options_of(NetworkConfig)])
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
