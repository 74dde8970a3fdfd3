"""Changes of images that a detector must not mind: a shift, other light, noise."""

from collections.abc import Sequence

import torch

from hilserl_learner.agent.augmentation import random_shift

SHIFT = 3  # pixels
BRIGHTNESS, COLOUR = 0.3, 0.15  # factors of the image and of each channel are within 1 +- this
NOISE = 4.0  # grey levels, highest standard deviation of the noise of an image
PATTERNS = 256  # of noise; drawing new ones for each image would take longer than the network


class Augmentation:
    """Changes batches of images. shapes: (H, W, 3) of each camera."""

    def __init__(self, shapes: Sequence[tuple[int, int, int]], generator: torch.Generator):
        self._generator = generator
        self._patterns = [torch.randn(PATTERNS, *shape, generator=generator) for shape in shapes]

    def changed(self, images: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return changed copies of uint8 batches (B, H, W, 3), one for each camera."""
        return [
            self._photometric(random_shift(image, SHIFT, self._generator), patterns)
            for image, patterns in zip(images, self._patterns)
        ]

    def _photometric(self, images: torch.Tensor, patterns: torch.Tensor) -> torch.Tensor:
        """Return a batch in other light, with noise. Each image differs."""
        count, generator = len(images), self._generator

        def spread(*shape: int) -> torch.Tensor:
            return 2.0 * torch.rand(*shape, generator=generator) - 1.0

        gain = 1.0 + BRIGHTNESS * spread(count, 1, 1, 1) + COLOUR * spread(count, 1, 1, 3)
        sigma = NOISE * torch.rand(count, 1, 1, 1, generator=generator)
        noise = patterns[torch.randint(PATTERNS, (count,), generator=generator)]
        found = noise.mul_(sigma).add_(images * gain).clamp_(0.0, 255.0)
        return found.round_().to(torch.uint8)
