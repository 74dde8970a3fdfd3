"""The policy: its networks, its bundle, its exploration noise."""

__all__ = ['bundle', 'checkpoint_names', 'exploration', 'network_config', 'networks', 'weights']
