"""Checks on the health of learning: metrics, and warnings that say what to check.

These checks do not influence learning.
"""

from collections import deque

import numpy as np

from hilserl_core.contract.steps import StepRecord
from hilserl_core.contract.task import TaskSchema

from ..agent.config import AlgorithmConfig
from ..replay.batch import Batch
from ..replay.buffer import Replay

HIGH_LOSS, LONG = 1000.0, 100  # critic loss, updates in a row
LIVE_STEPS = 100  # newest steps of the run, compared with the replay
REFERENCE = 256  # transitions that represent the replay
MARGIN = 0.05  # of a state's scale, beyond the range in the replay
OUTSIDE_SHARE = 0.1
BRIGHTNESS_DRIFT = 0.2


class Drift:
    """Compares live states and images with those in the replay."""

    def __init__(self, schema: TaskSchema):
        self._schema = schema
        self._live: deque[tuple[np.ndarray, list[float]]] = deque(maxlen=LIVE_STEPS)
        self._low = self._high = None
        self._brightness = np.zeros(0)

    @property
    def has_reference(self) -> bool:
        """Whether there is something to compare live steps with."""
        return self._low is not None

    def set_reference(self, batch: Batch) -> None:
        """Compare live steps with this batch from now on."""
        state = batch.state.numpy()
        margin = MARGIN * np.asarray(self._schema.state_scale, np.float32)
        self._low, self._high = state.min(0) - margin, state.max(0) + margin
        self._brightness = np.array([image.float().mean().item() for image in batch.images])

    def add_live_step(self, step: StepRecord) -> None:
        """Add a step of the running episode."""
        self._live.append((step.state, [float(image.mean()) for image in step.images]))

    def scalars(self) -> tuple[dict[str, float], list[str]]:
        """Metrics and warnings."""
        if self._low is None or len(self._live) < LIVE_STEPS:
            return {}, []
        states = np.array([state for state, _ in self._live])
        outside = ((states < self._low) | (states > self._high)).mean(0)
        share = float(outside.mean())
        found = {'state_outside_share': share}
        warnings = []
        if share > OUTSIDE_SHARE:
            worst = [self._schema.state_names[i] for i in np.argsort(-outside)[:3]]
            warnings.append(
                f'{100 * share:.0f} % of the state values are outside the range in the replay, '
                f'first of all {", ".join(worst)}; check the calibration and the start pose '
                '(a policy that goes where no demonstration was has the same effect)'
            )
        live = np.mean([brightness for _, brightness in self._live], 0)
        for camera, now, then in zip(self._schema.cameras, live, self._brightness):
            drift = float(now / max(then, 1.0) - 1.0)
            found[f'brightness_drift/{camera.name}'] = drift
            if abs(drift) > BRIGHTNESS_DRIFT:
                warnings.append(
                    f'{camera.name} is {100 * abs(drift):.0f} % '
                    f'{"brighter" if drift > 0 else "darker"} than in training; check the '
                    "light and the camera's exposure"
                )
        return found, warnings


class Health:
    """Monitors a run; `warnings` are the current ones."""

    def __init__(self, schema: TaskSchema, config: AlgorithmConfig):
        self.drift = Drift(schema)
        self.warnings: list[str] = []
        self._schema, self._config = schema, config
        self._rewards = 0.0, 0.0  # lowest and highest so far
        self._high = 0  # updates in a row with a high critic loss

    def check(
        self, losses: np.ndarray, metrics: dict[str, float], batch: Batch, replay: Replay
    ) -> dict[str, float]:
        """Check the updates since the last call and set `warnings`. Return more metrics.

        losses: (N,) critic loss of each update; batch: the batch of the last one.
        """
        for loss in losses:
            self._high = self._high + 1 if loss > HIGH_LOSS else 0
        scalars, self.warnings = self.drift.scalars()
        self._check_rewards(batch)
        if 'q_mean' in metrics:
            scalars |= self._check_q(metrics['q_mean'], self._bound(batch))
        if self._high >= LONG:
            self.warnings.append(
                f'critic loss has been over {HIGH_LOSS:g} for {self._high} updates; in order: '
                + '; '.join(self._causes(batch, replay))
            )
        return scalars

    def _check_q(self, mean: float, bound: float) -> dict[str, float]:
        if mean > 1.1 * bound:
            self.warnings.append(
                f'mean Q is {mean:.3g}, but no return can be above {bound:.3g}; '
                'critic_layer_norm=true, more critics or a lower discount reduce it'
            )
        return {'q_bound': bound, 'q_mean_to_bound': mean / bound}

    def _check_rewards(self, batch: Batch) -> None:
        low, high = float(batch.reward.min()), float(batch.reward.max())
        self._rewards = min(low, self._rewards[0]), max(high, self._rewards[1])
        low, high = self._rewards
        bounds = self._config.target_low, self._config.target_high
        if low < bounds[0] or high > bounds[1]:
            self.warnings.append(
                f'n-step rewards are from {low:g} to {high:g}, but targets of Q are clipped to '
                f'{bounds[0]:g} to {bounds[1]:g}: what is outside is not learned; set target_low '
                'and target_high in agent_options'
            )

    def _bound(self, batch: Batch) -> float:
        """The highest possible return."""
        if self._config.target_high < 1e6:
            return max(self._config.target_high, 1e-6)
        discount = self._config.discount_at(self._schema.rate)
        return max(float(batch.reward.abs().max()), 1.0) / max(1.0 - discount, 1e-3)

    def _causes(self, batch: Batch, replay: Replay) -> list[str]:
        """The usual causes of a high loss, each with its numbers in this run."""
        spread = batch.action.std(0)
        constant = [n for n, s in zip(self._schema.action_names, spread.tolist()) if s < 1e-3]
        zero = float((batch.action.abs().amax(1) < 1e-3).float().mean())
        low, high = float(batch.reward.min()), float(batch.reward.max())
        return [
            '(1) actions: '
            + (f'{", ".join(constant)} never change' if constant else 'all of them vary')
            + f', {100 * zero:.0f} % of the last batch are zero',
            f'(2) reward scale: n-step rewards are from {low:g} to {high:g}'
            + (', which is large for a 0/1 task' if max(-low, high) > 10 else ', as they should'),
            f'(3) schema mix: every step in the replay has schema {self._schema.hash[:8]}, '
            f'{replay.rejected:,} steps were refused',
        ]


def broken_inputs(batch: Batch) -> str:
    """Which inputs of an update are not finite, as a clause."""
    wrong = [
        name
        for name in ('state', 'action', 'reward', 'discount', 'next_state')
        if not getattr(batch, name).isfinite().all()
    ]
    if wrong:
        return f'not finite in the batch: {", ".join(wrong)}'
    largest = float(batch.state.abs().max()), float(batch.reward.abs().max())
    return (
        f'all inputs of the batch are finite (|state| up to {largest[0]:.3g}, |reward| '
        f'up to {largest[1]:.3g}), so a weight is not finite; use a lower learning_rate or '
        'critic_layer_norm=true'
    )
