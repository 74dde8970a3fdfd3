"""The image augmentation of DrQ-v2: a random shift of every image of a batch."""

import torch


def random_shift(images: torch.Tensor, pad: int, generator: torch.Generator) -> torch.Tensor:
    """Shift each (H, W, C) uint8 image by up to `pad` pixels in both axes, edges repeated.

    Equal to the published pad-and-crop for whole-pixel shifts. A gather of pixel indices needs no
    padded copy.
    """
    count, height, width, channels = images.shape
    device = images.device
    shifts = torch.randint(-pad, pad + 1, (2, count, 1), generator=generator, device=device)
    rows = (torch.arange(height, device=device) + shifts[0]).clamp_(0, height - 1)
    columns = (torch.arange(width, device=device) + shifts[1]).clamp_(0, width - 1)
    rows += torch.arange(count, device=device)[:, None] * height
    indices = (rows[:, :, None] * width + columns[:, None]).flatten()
    return images.reshape(-1, channels).index_select(0, indices).view(images.shape)
