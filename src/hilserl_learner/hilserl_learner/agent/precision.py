"""Which number format is fast on this machine."""

import torch


def has_bfloat16(device: torch.device) -> bool:
    """Whether convolutions in bfloat16 are faster on this device than in float32."""
    if device.type == 'cuda':
        return bool(torch.cuda.is_bf16_supported())
    capability = torch.cpu.get_capabilities()
    return bool(
        capability.get('avx512_bf16') or capability.get('amx_bf16') or capability.get('amx_tile')
    )
