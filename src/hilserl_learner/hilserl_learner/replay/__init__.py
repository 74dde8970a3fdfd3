"""The replay buffer and the batches that are sampled from it."""

__all__ = ['batch', 'buffer', 'prefetch']
