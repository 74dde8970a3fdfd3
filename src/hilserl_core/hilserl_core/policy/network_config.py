"""The configuration of a policy's networks. It loads without torch."""

from dataclasses import asdict, dataclass
import json

from so101_node.data_files import decode
from so101_node.options import check_fields, option


@dataclass(frozen=True)
class NetworkConfig:
    """The configuration of a policy's networks. Every bundle and checkpoint contains it."""

    # 1, because the state vector holds the previous action and the following error.
    frame_stack: int = option(1, 'consecutive images that the policy sees together', low=1, high=4)
    channels: int = option(32, 'channels of each convolution', low=1, high=512)
    # Half the cost of the published 2,1,1,1, and learns as well.
    strides: tuple[int, ...] = option((2, 2, 1, 1), 'strides of the convolutions', low=1, high=8)
    bottleneck: int = option(
        50, 'image features after the bottleneck layer of a trunk', low=1, high=1024
    )
    # 1024 (published) learned nothing in the first 8 minutes.
    hidden: int = option(256, 'units of each hidden layer', low=1, high=8192)
    critic_layer_norm: bool = option(
        True, 'layer normalisation in the critics, which bounds Q outside the data (RLPD)'
    )
    critics: int = option(
        2,
        'number of critics; of more than 2 a random pair makes the target, and the actor gets '
        'the mean (REDQ)',
        low=2,
        high=10,
    )
    # Continuous, because the leader's gripper is: it can be half closed.
    gripper: str = option(
        'continuous',
        'gripper control: continuous, or discrete: close, hold or open by Q (HIL-SERL)',
        choices=('continuous', 'discrete'),
    )

    def __post_init__(self) -> None:
        check_fields(self)

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> 'NetworkConfig':
        """Parse it; CellError if it is not a configuration of this version."""
        return decode(text, cls, 'this network configuration is not of this version')
