"""The policy: its networks, its bundle, its exploration noise."""

__all__ = [
    'bundle',
    'checkpoint_names',
    'exploration',
    'inference',
    'network_config',
    'networks',
    'other_program',
    'safetensors_header',
    'weights',
]
