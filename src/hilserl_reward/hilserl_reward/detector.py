"""The success detector: judges the frames of an episode, and is stored as one file.

The file is a safetensors file with the network's weights, what is familiar, and, as JSON, the
task, the settings and where it comes from. Loading is strict: format, task, shapes, digest, and
the logit of a fixed observation are checked.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
import safetensors.torch
import torch

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import golden_inputs, tensors_digest
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_core.policy.safetensors_header import DETECTOR_FORMAT, detector_metadata
from so101_node.data_files import decode
from so101_node.durable import replace_file, writing
from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes

from .calibration import Calibration
from .debounce import Debounce, Rule, read_gate
from .familiarity import Familiarity, block_sizes, describe
from .network import HIDDEN, SuccessNetwork

MAX_FILE = 200_000_000  # bytes
WHAT = 'success detector'
GOLDEN_TOLERANCE = 1e-3  # of a logit; processors differ by about 1e-5
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Settings:
    """What makes a reward of a logit, and where the detector comes from.

    features: scratch, or encoder (of a policy). trained_on: figures of the training, for the
    person who reads them.
    """

    slope: float
    offset: float
    threshold: float
    needed: int
    of: int
    gate: str = ''
    features: str = 'scratch'
    trained_on: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = (self.slope, self.offset, self.threshold)
        if not np.isfinite(numbers).all() or not 0.0 <= self.threshold <= 1.0:
            raise CellError(f'{WHAT}: its settings are not finite or its threshold is no share')


@dataclass(frozen=True)
class Judgement:
    """What a detector says of one frame. reward: whether n of the last m frames say success."""

    probability: float
    distance: float  # from the frames of its training; over 1: unfamiliar
    sure: bool
    reward: bool = False


def logits_and_description(
    network: SuccessNetwork, images: Sequence[Image], states: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the logits (N,) of frames, and what familiarity looks at, (N, D).

    images, states: as `SuccessDetector.scores` takes them.
    """
    state = torch.from_numpy(np.ascontiguousarray(states, np.float32))
    with torch.no_grad():
        logits, features = network([torch.from_numpy(image) for image in images], state)
    scaled = ((state - network.trunk.offset) / network.trunk.scale).numpy()
    return logits.numpy().astype(np.float64), describe(features.numpy(), scaled, images)


class SuccessDetector:
    """A network with its calibration. Not thread-safe.

    version: the first 8 digits of the digest of its weights.
    """

    def __init__(
        self,
        schema: TaskSchema,
        config: NetworkConfig,
        network: SuccessNetwork,
        familiarity: Familiarity,
        settings: Settings,
    ):
        self.schema, self.config, self.settings = schema, config, settings
        self.network, self.familiarity = network.eval().requires_grad_(False), familiarity
        self.calibration = Calibration(settings.slope, settings.offset)
        self.rule, self.gate = Rule(settings.needed, settings.of), read_gate(settings.gate, schema)
        self._debounce = Debounce(self.rule)
        self._episode = ''
        self.version = tensors_digest(self._tensors())[:8]

    # --- judging -----------------------------------------------------------------------------
    def scores(
        self, images: Sequence[Image], states: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return logits (N,) and distances (N,) of frames.

        images: (N, H, W, 3) uint8 of each camera; states: (N, S).
        """
        logits, described = logits_and_description(self.network, images, states)
        return logits, self.familiarity.distance(described)

    def see(
        self, episode: str, images: Sequence[Image], state: npt.NDArray[np.float32]
    ) -> Judgement:
        """Judge the next frame of an episode: (H, W, 3) uint8 of each camera; state (S,).

        Another episode starts its count of frames again.
        """
        if episode != self._episode:
            self._episode = episode
            self._debounce.reset()
        states = np.asarray(state, np.float32)[None]
        # a copy: a step's images may be views of a message, and torch warns of those
        logit, distance = self.scores([np.array(image[None]) for image in images], states)
        probability = float(self.calibration.probability(logit)[0])
        sure = bool(distance[0] <= 1.0)
        vote = sure and probability >= self.settings.threshold
        if self.gate is not None:
            vote = vote and bool(self.gate.open(states)[0])
        return Judgement(probability, float(distance[0]), sure, self._debounce.add_vote(vote))

    # --- the file ----------------------------------------------------------------------------
    def _tensors(self) -> dict[str, torch.Tensor]:
        found = {f'network.{name}': value for name, value in self.network.state_dict().items()}
        found['familiarity.mean'] = torch.from_numpy(self.familiarity.mean)
        found['familiarity.whitening'] = torch.from_numpy(self.familiarity.whitening)
        found['familiarity.limits'] = torch.from_numpy(self.familiarity.limits)
        return {name: value.contiguous() for name, value in found.items()}

    def _golden(self) -> torch.Tensor:
        images, state = golden_inputs(self.schema, self.config)
        with torch.no_grad():
            logit: torch.Tensor = self.network(images, state)[0]
        return logit

    def to_bytes(self) -> bytes:
        """Return the content of the detector's file."""
        tensors = self._tensors()
        metadata = {
            'format': DETECTOR_FORMAT,
            'schema': self.schema.to_json(),
            'network': self.config.to_json(),
            'settings': json.dumps(asdict(self.settings), sort_keys=True),
            'golden': repr(float(self._golden()[0])),
            'digest': tensors_digest(tensors),
        }
        return safetensors.torch.save(tensors, metadata=metadata)

    def save(self, path: Path) -> None:
        """Write the file; at any moment the old or the new one is complete. CellError if not."""
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path, schema: TaskSchema | None = None) -> 'SuccessDetector':
        """Read a detector; CellError if the file is damaged or for another task (None: any)."""
        try:
            return cls.from_bytes(read_bytes(path, WHAT, MAX_FILE), schema)
        except CellError as error:
            text = str(error)
            raise CellError(text if str(path) in text else f'{WHAT} {path}: {text}') from error

    @classmethod
    def from_bytes(cls, data: bytes, schema: TaskSchema | None = None) -> 'SuccessDetector':
        """Parse and check; CellError as in `load`."""
        metadata = detector_metadata(data)
        if 'schema' not in metadata:
            raise CellError('it is damaged: it has no task')
        found = TaskSchema.from_json(metadata['schema'])
        if schema is not None and (lines := schema.differences(found)):
            raise CellError('it is for another task; ' + '; '.join(lines))
        try:
            tensors = safetensors.torch.load(data)
            config = NetworkConfig.from_json(metadata['network'])
            settings = decode(metadata['settings'], Settings, 'its settings are damaged')
            golden, digest = float(metadata['golden']), metadata['digest']
        except (SafetensorError, KeyError, ValueError, MemoryError) as error:
            raise CellError(f'it is damaged: {str(error)[:200]}') from error
        if tensors_digest(tensors) != digest:
            raise CellError('it is damaged: its weights do not match their digest')
        with torch.device('meta'):  # no memory, until the file is known to have these shapes
            expected = SuccessNetwork(found, config).state_dict()
        sizes = block_sizes(HIDDEN, len(found.state_names), len(found.cameras))
        size = sum(sizes)
        shapes = {f'network.{name}': tuple(value.shape) for name, value in expected.items()}
        shapes |= {'familiarity.mean': (size,), 'familiarity.whitening': (size, size)}
        shapes['familiarity.limits'] = (len(sizes),)
        if {name: tuple(value.shape) for name, value in tensors.items()} != shapes:
            raise CellError('it is damaged: its weights do not fit its own configuration')
        if not all(bool(value.isfinite().all()) for value in tensors.values()):
            raise CellError('it is damaged: a weight is not finite')
        network = SuccessNetwork(found, config)
        network.load_state_dict({name: tensors[f'network.{name}'] for name in expected})
        detector = cls(
            found,
            config,
            network,
            Familiarity(
                tensors['familiarity.mean'].double().numpy(),
                tensors['familiarity.whitening'].double().numpy(),
                sizes,
                tensors['familiarity.limits'].double().numpy(),
            ),
            settings,
        )
        off = abs(float(detector._golden()[0]) - golden)
        if not off <= GOLDEN_TOLERANCE * max(1.0, abs(golden)):
            raise CellError(
                f'its golden logit is off by {off:.3g}; its weights are from another version of '
                'the code: train it again'
            )
        return detector
