"""The options of the nodes `actor` and `operator`."""

from dataclasses import dataclass

from hilserl_core.contract.observation import MAX_SKEW
from hilserl_core.contract.task_options import TaskOptions
from hilserl_core.policy.exploration import ExplorationOptions
from so101_node.options import Options, option
from so101_node.shared_options import (
    COMMANDS,
    PatienceOption,
    RunIdOption,
    SeedOption,
    TableOption,
    WorldOption,
)

# who moves the leader
LEADER, KEYS, VIRTUAL, SCRIPTED = TELEOPS = ('leader', 'keys', 'virtual_leader', 'scripted')
BY_KEYS = (KEYS, VIRTUAL)


@dataclass(frozen=True)
class ActorOptions(
    TaskOptions,
    ExplorationOptions,
    WorldOption,
    SeedOption,
    RunIdOption,
    TableOption,
    PatienceOption,
):
    """The options of the node `actor`."""

    role: str = option(
        'train',
        'train: the policy drives, the human may take over; record: the human drives; eval: the '
        'policy drives deterministically, the leader is ignored; preflight: check and end',
        choices=COMMANDS,
    )
    has_leader: bool = option(True, 'whether this cell has a leader arm')
    reward_source: str = option(
        'topic',
        'where rewards come from: topic (hilserl/reward), or operator (only the operator marks '
        'episodes; a step without a mark has reward 0); reward:= sets it',
        choices=('topic', 'operator'),
    )
    policies: tuple[str, ...] = option(
        (), 'policy bundles (files) to evaluate, separated by commas'
    )
    results: tuple[str, ...] = option(
        (), 'directories for the results, one for each policy, separated by commas'
    )
    other_policy: str = option(
        '',
        'policy of another program that drives instead of the published one, lerobot:DIR; '
        'policy:= sets it',
    )
    behind_link: bool = option(
        False,
        'whether the learner is on another host: the last 1,000 steps are kept in memory for a '
        'link_client that is started again; link:= sets it',
    )
    episodes: int = option(
        0,
        'stop after this number of finished episodes; 0: no limit (eval: 50)',
        low=0,
        high=1_000_000,
        verbs=('train', 'record', 'eval'),
    )
    keep: str = option(
        'failures',
        'which evaluated episodes are written to a bag',
        choices=('failures', 'all'),
        verbs=('eval',),
    )
    ready_time: float = option(
        0.0,
        'an episode starts by itself after this time in READY; 0: it waits for the start key',
        unit='s',
        low=0.0,
        high=3600.0,
        verbs=('train', 'record', 'eval'),
    )
    preflight_wait: float = option(
        15.0,
        'how long ./cell preflight waits for the cell to start; a busy computer needs more',
        unit='s',
        low=1.0,
        high=3600.0,
        verbs=('preflight',),
    )
    auto_start: bool = option(
        False, 'whether to leave IDLE as soon as everything is ready, without the start key'
    )
    image_transport: str = option(
        'raw',
        'how the cameras send images; compressed: JPEG or PNG on image_raw/compressed, from '
        'camera nodes of others (camera:=none)',
        choices=('raw', 'compressed'),
        verbs=COMMANDS,
    )
    max_image_age: float = option(
        0.2, 'maximum age of an image; if it is older, the arm holds', unit='s', low=0.01, high=5.0
    )
    max_skew: float = option(
        MAX_SKEW,
        'maximum time between the images of two cameras; if it is more, the arm holds',
        unit='s',
        low=0.001,
        high=5.0,
    )
    max_state_age: float = option(
        0.1,
        'maximum age of a joint state; if it is older, the arm holds',
        unit='s',
        low=0.01,
        high=5.0,
    )
    kinematics_timeout: float = option(
        0.02,
        'how long the actor waits for an answer of the FK service (simulated cell: 0.1)',
        unit='s',
        low=0.001,
        high=1.0,
    )


@dataclass(frozen=True)
class TeleopOption(Options):
    """Who moves the leader, for the nodes that show it or have its keys."""

    teleop: str = option(
        LEADER,
        'who moves the leader: a person at the leader arm, a person with the keys of this '
        'terminal or page (keys: the simulated leader; virtual_leader: that of a real follower '
        'without a leader arm), or the scripted operator',
        choices=TELEOPS,
    )


@dataclass(frozen=True)
class OperatorOptions(TeleopOption):
    """The options of the node `operator`."""

    screen: str = option(
        'auto',
        "auto: a screen on a terminal, the nodes' output in RUN/log/; plain: everything as "
        'lines; spoken: only changes, as sentences, for a screen reader',
        choices=('auto', 'plain', 'spoken'),
        verbs=COMMANDS,
    )
    status_period: float = option(
        2.0, 'time between two status lines', unit='s', low=0.1, high=600.0
    )
