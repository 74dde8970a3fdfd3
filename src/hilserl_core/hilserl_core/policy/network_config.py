"""What decides the shape of a policy, without the networks themselves (and without torch)."""

from dataclasses import asdict, dataclass
import json

from so101_node.errors import CellError


@dataclass(frozen=True)
class NetworkConfig:
    """What decides the shape of a policy. Travels in every bundle and checkpoint."""

    frame_stack: int = 1  # previous action and following error stand in for history
    channels: int = 32  # published
    strides: tuple[int, ...] = (2, 2, 1, 1)  # half the cost of (2, 1, 1, 1), learns as well
    bottleneck: int = 50  # published
    hidden: int = 256  # 1024 learned nothing in the first 8 minutes
    critic_layer_norm: bool = True  # bounds Q outside the data (RLPD)
    critics: int = 2  # published; more bound Q further, each at its price (REDQ)
    gripper: str = 'continuous'  # or discrete: close, hold, open by Q (HIL-SERL); the
    # continuous one learns here as the arm does, and a leader's half-closed hand stays one

    def __post_init__(self):
        if not (1 <= self.frame_stack <= 4 and 2 <= self.critics <= 10):
            raise CellError(
                f'frame_stack is {self.frame_stack} and critics {self.critics}; from 1 to 4 '
                'frames and from 2 to 10 critics are possible'
            )
        if self.gripper not in ('continuous', 'discrete'):
            raise CellError(f'gripper is {self.gripper!r}; it is continuous or discrete')

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> 'NetworkConfig':
        """Read it back; CellError if it is not one of this version."""
        try:
            data = json.loads(text)
            return cls(**{**data, 'strides': tuple(data['strides'])})
        except (ValueError, TypeError, KeyError) as error:
            raise CellError(
                f'this network configuration is not of this version: {error}'
            ) from error
