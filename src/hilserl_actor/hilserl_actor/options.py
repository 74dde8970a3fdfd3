"""The options of the nodes `actor` and `operator`."""

from dataclasses import dataclass

from hilserl_core.contract.task_options import TaskOptions
from hilserl_core.policy.exploration import ExplorationOptions
from so101_node.options import Options, option
from so101_node.shared_options import COMMANDS, SeedOption, WorldOption


@dataclass(frozen=True)
class ActorOptions(TaskOptions, ExplorationOptions, WorldOption, SeedOption):
    """What the actor can be told."""

    role: str = option(
        'train',
        'train: the policy drives and may be taken over; record: the human drives; eval: '
        'deterministic, leader ignored; preflight: check and end',
        choices=COMMANDS,
    )
    has_leader: bool = option(True, 'whether a leader arm belongs to this cell')
    reward: str = option(
        'topic',
        'who says how an episode goes: topic (hilserl/reward), or the operator alone (a step '
        'without a mark has reward 0)',
        choices=('topic', 'operator'),
    )
    policies: tuple[str, ...] = option(
        (), 'policy bundles (files) to evaluate, separated by commas'
    )
    results: tuple[str, ...] = option(
        (), 'directories for the results, one for each policy, separated by commas'
    )
    episodes: int = option(
        0,
        'stop after so many finished episodes; 0: no limit (eval: 50)',
        low=0,
        high=1_000_000,
        verbs=('train', 'record', 'eval'),
    )
    keep: str = option(
        'failures',
        'which evaluated episodes leave a bag',
        choices=('failures', 'all'),
        verbs=('eval',),
    )
    ready_time: float = option(
        0.0,
        'time at the start pose after which an episode starts by itself; 0: it waits for you',
        unit='s',
        low=0.0,
        high=3600.0,
        verbs=('train', 'record', 'eval'),
    )
    auto_start: bool = option(
        False, 'whether to leave IDLE as soon as everything is ready, without the start key'
    )
    max_image_age: float = option(
        0.2, 'an image that is older is not decided on', unit='s', low=0.01, high=5.0
    )
    max_state_age: float = option(
        0.1, 'a joint state that is older is not decided on', unit='s', low=0.01, high=5.0
    )
    kinematics_timeout: float = option(
        0.02, 'an answer of the FK service that is later is lost', unit='s', low=0.001, high=1.0
    )


@dataclass(frozen=True)
class OperatorOptions(Options):
    """What the operator node can be told."""

    screen: str = option(
        'auto',
        "auto: one screen on a terminal, the nodes' output in RUN/log/; plain: everything as "
        'lines; spoken: sentences on what changes, for a screen reader',
        choices=('auto', 'plain', 'spoken'),
        verbs=COMMANDS,
    )
    status_period: float = option(
        2.0, 'time between two status lines', unit='s', low=0.1, high=600.0
    )
    keyboard_teleop: bool = option(
        False, 'whether keys move the simulated leader (a person at the simulated cell)'
    )
