"""The policy: its networks, its bundle of bytes, its exploration noise."""

__all__ = ['bundle', 'exploration', 'network_config', 'networks']
