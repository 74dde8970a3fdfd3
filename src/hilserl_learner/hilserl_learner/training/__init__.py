"""A training run: start or resume, take steps in, update, publish, save."""

__all__ = ['checkpoints', 'learner', 'malloc', 'options', 'resume']
