"""What decides the shape of a policy, without the networks themselves (and without torch)."""

from dataclasses import asdict, dataclass
import json

from so101_node.data_files import decode
from so101_node.options import check_fields, option


@dataclass(frozen=True)
class NetworkConfig:
    """What decides the shape of a policy. Travels in every bundle and checkpoint."""

    # The previous action and the following error stand in for history.
    frame_stack: int = option(1, 'images of the past that a policy sees at once', low=1, high=4)
    channels: int = option(32, 'channels of each convolution', low=1, high=512)
    # Half the cost of the published 2,1,1,1; learns as well.
    strides: tuple[int, ...] = option((2, 2, 1, 1), 'strides of the convolutions', low=1, high=8)
    bottleneck: int = option(50, 'image features that a trunk keeps', low=1, high=1024)
    # 1024 (published) learned nothing in the first 8 minutes.
    hidden: int = option(256, 'units of each hidden layer', low=1, high=8192)
    critic_layer_norm: bool = option(
        True, 'whether critics normalise their layers, which bounds Q outside the data (RLPD)'
    )
    critics: int = option(2, 'critics, of which the smallest Q counts (REDQ)', low=2, high=10)
    # The continuous one learns here as the arm does: a leader's half-closed hand stays one.
    gripper: str = option(
        'continuous',
        'how the gripper is driven: continuous, or discrete: close, hold, open by Q (HIL-SERL)',
        choices=('continuous', 'discrete'),
    )

    def __post_init__(self):
        check_fields(self)

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> 'NetworkConfig':
        """Read it back; CellError if it is not one of this version."""
        return decode(text, cls, 'this network configuration is not of this version')
