"""Checks that tensors are finite, with one reduction for all of them."""

from collections.abc import Mapping

import torch


def not_finite(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of the floating-point tensors with a value that is not finite. Waits for the device.

    A tensor whose norm exceeds its type counts as one.
    """
    floating = {name: value for name, value in tensors.items() if value.is_floating_point()}
    if not floating:
        return []
    norms = torch.stack(torch._foreach_norm(list(floating.values())))
    if bool(norms.sum().isfinite()):
        return []
    return [name for name, good in zip(floating, norms.isfinite().tolist()) if not good]
