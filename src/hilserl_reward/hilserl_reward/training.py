"""Makes a detector of labelled episodes, and measures it on episodes that it has not seen.

The episodes are split into FOLDS parts, each with successes and failures. A network for each part
is trained on the others; what these networks say of the part that they have not seen gives the
report, the calibration, the threshold and the limit of familiarity. The detector itself is then
trained on all episodes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_core.policy.networks import Encoder
from hilserl_learner.agent.precision import has_bfloat16

from .augmentation import Augmentation
from .calibration import fitted
from .counts import count
from .debounce import Gate, Rule, read_gate
from .defaults import FRAMES, MARGIN, UPDATES
from .detector import Settings, SuccessDetector, logits_and_description
from .episode_report import Report, Trace, best_threshold, curve, report_on
from .familiarity import Familiarity, block_sizes, familiar_with
from .labelled import NEGATIVE, POSITIVE, UNLABELLED, LabelledEpisode, LabelledEpisodes
from .network import HIDDEN, SCRATCH, SuccessNetwork

FOLDS = 5
BATCH = 64  # frames, half of them successes
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-3
STATE_NOISE = 0.05  # standard deviation, of the scaled state
HIDDEN_STATE = 0.3  # share of frames whose state is hidden, so that the images must say it, too
FAMILIAR = 99.7  # percentile of the distances of frames that were left out
WEIGHT = 3  # of a frame in what is familiar; an augmented copy of it has 1
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrainingOptions:
    """How a detector is trained. encoder: one to keep as it is; None: train a new one."""

    updates: int = UPDATES
    seed: int = 0
    rule: Rule = field(default_factory=lambda: Rule.read(FRAMES))
    gate: str = ''
    margin: float = MARGIN
    config: NetworkConfig = SCRATCH
    encoder: Encoder | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """A detector, its report on held-out episodes, and the points of its curve."""

    detector: SuccessDetector
    report: Report
    points: Floats  # as episode_report.curve


@dataclass(frozen=True, eq=False)
class _Frames:
    """The frames of some episodes, one after another."""

    images: tuple[npt.NDArray[np.uint8], ...]
    states: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int8]

    @classmethod
    def of(cls, episodes: Sequence[LabelledEpisode]) -> '_Frames':
        cameras = range(len(episodes[0].images))
        return cls(
            tuple(np.concatenate([e.images[camera] for e in episodes]) for camera in cameras),
            np.concatenate([e.states for e in episodes]),
            np.concatenate([e.labels for e in episodes]),
        )


def train(
    found: LabelledEpisodes,
    options: TrainingOptions,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Trained:
    """Train a detector; CellError if only one outcome is labelled.

    progress: gets the number of updates so far, and of all.
    """
    counts = count(found)
    counts.require_both()
    gate = read_gate(options.gate, found.schema)
    folds = min(FOLDS, counts.successes, counts.failures)
    total, done = (folds + 1) * options.updates, 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    # threads of a small network cost more than they gain, and other nodes need the processors
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        parts = _folds(found.episodes, folds, options.seed)
        logits: dict[int, Floats] = {}  # of each episode, by a network that has not seen it
        for part in parts:
            rest = [e for i, e in enumerate(found.episodes) if i not in part]
            network = _fit(rest, found.schema, options, advance)
            for i in part:
                logits[i] = _described(network, found.episodes[i])[0]
        network = _fit(found.episodes, found.schema, options, advance)
        familiarity, sure = _familiarity(network, found, parts, options.seed)
    finally:
        torch.set_num_threads(threads)
    numbers = range(len(found.episodes))
    labels = np.concatenate([episode.labels for episode in found.episodes])
    known = labels != UNLABELLED
    calibration = fitted(
        np.concatenate([logits[i] for i in numbers])[known], labels[known] == POSITIVE
    )
    traces = [
        _trace(episode, calibration.probability(logits[i]), sure[i], gate)
        for i, episode in enumerate(found.episodes)
    ]
    points = curve(traces, options.rule, options.margin)
    threshold = best_threshold(points)
    settings = Settings(
        calibration.slope,
        calibration.offset,
        threshold,
        options.rule.needed,
        options.rule.of,
        options.gate,
        'scratch' if options.encoder is None else 'encoder',
        vars(counts) | {'updates': options.updates, 'seed': options.seed},
    )
    return Trained(
        SuccessDetector(found.schema, options.config, network, familiarity, settings),
        report_on(traces, threshold, options.rule, options.margin),
        points,
    )


def judged(detector: SuccessDetector, episodes: Sequence[LabelledEpisode]) -> list[Trace]:
    """Return what a detector says of episodes."""
    traces = []
    for episode in episodes:
        logits, distances = detector.scores(episode.images, episode.states)
        probability = detector.calibration.probability(logits)
        traces.append(_trace(episode, probability, distances <= 1.0, detector.gate))
    return traces


def _trace(
    episode: LabelledEpisode, probability: Floats, sure: npt.NDArray[np.bool_], gate: Gate | None
) -> Trace:
    allowed = sure if gate is None else sure & gate.open(episode.states)
    return Trace(episode, probability, sure, allowed)


def _folds(episodes: Sequence[LabelledEpisode], folds: int, seed: int) -> list[list[int]]:
    """Split the episodes' numbers into folds, with an equal share of successes in each."""
    rng = np.random.default_rng(seed)
    order: list[int] = []
    for succeeded in (True, False):
        of_kind = [i for i, e in enumerate(episodes) if e.succeeded == succeeded]
        order += [int(i) for i in rng.permutation(of_kind)]
    return [order[first::folds] for first in range(folds)]


def _fit(
    episodes: Sequence[LabelledEpisode],
    schema: TaskSchema,
    options: TrainingOptions,
    advance: Callable[[], None],
) -> SuccessNetwork:
    """Train a network on frames of these episodes."""
    torch.manual_seed(options.seed)  # of the first weights
    network = SuccessNetwork(schema, options.config, options.encoder)
    frames = _Frames.of(episodes)
    images = [torch.from_numpy(each) for each in frames.images]
    states = torch.from_numpy(frames.states)
    kinds = [
        torch.from_numpy(np.flatnonzero(frames.labels == label)) for label in (POSITIVE, NEGATIVE)
    ]
    generator = torch.Generator().manual_seed(options.seed)
    augmentation = Augmentation([camera.shape for camera in schema.cameras], generator)
    dtype = torch.bfloat16 if has_bfloat16(torch.device('cpu')) else torch.float32
    scale, offset = network.trunk.scale, network.trunk.offset
    optimiser = torch.optim.AdamW(
        [p for p in network.parameters() if p.requires_grad],
        LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.updates)
    wanted = torch.cat([torch.ones(BATCH // 2), torch.zeros(BATCH // 2)])
    for _ in range(options.updates):
        rows = torch.cat(
            [kind[torch.randint(len(kind), (BATCH // 2,), generator=generator)] for kind in kinds]
        )
        noise = STATE_NOISE * torch.randn(BATCH, len(scale), generator=generator)
        state = states[rows] + noise * scale
        hidden = torch.rand(BATCH, 1, generator=generator) < HIDDEN_STATE
        logit, _ = network(
            augmentation.changed([each[rows] for each in images]),
            torch.where(hidden, offset, state),
            dtype,
        )
        loss = F.binary_cross_entropy_with_logits(logit, wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        advance()
    return network.eval()


def _described(network: SuccessNetwork, episode: LabelledEpisode) -> tuple[Floats, Floats]:
    return logits_and_description(network, episode.images, episode.states)


def _familiarity(
    network: SuccessNetwork, found: LabelledEpisodes, parts: list[list[int]], seed: int
) -> tuple[Familiarity, dict[int, npt.NDArray[np.bool_]]]:
    """Return what is familiar, and which frames (N,) of each episode are so to all other parts.

    Familiar are the frames, and less so what the augmentation makes of them. Without these, a
    little more light would already be unfamiliar; with the same weight, so much would be familiar
    that other scenes give false rewards.
    """
    generator = torch.Generator().manual_seed(seed)
    augmentation = Augmentation([camera.shape for camera in found.schema.cameras], generator)
    frames, described = [], []
    for each in found.episodes:
        changed = augmentation.changed([torch.from_numpy(images) for images in each.images])
        copy = replace(each, images=tuple(images.numpy() for images in changed))
        frames.append(_described(network, each)[1])
        described.append(np.concatenate([frames[-1]] * WEIGHT + [_described(network, copy)[1]]))
    schema = found.schema
    sizes = block_sizes(HIDDEN, len(schema.state_names), len(schema.cameras))
    distances: dict[int, Floats] = {}
    for part in parts:
        rest = [each for i, each in enumerate(described) if i not in part]
        familiarity = familiar_with(np.concatenate(rest), sizes)
        distances |= {i: familiarity.distances(frames[i]) for i in part}
    limits = np.percentile(np.concatenate(list(distances.values())), FAMILIAR, axis=0)
    sure = {i: (each <= limits).all(1) for i, each in distances.items()}
    return familiar_with(np.concatenate(described), sizes, limits), sure
