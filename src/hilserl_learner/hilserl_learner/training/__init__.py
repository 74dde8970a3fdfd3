"""A training run: start or resume, add steps, update, publish, save."""

__all__ = ['checkpoints', 'learner', 'malloc', 'options', 'resume', 'run_file', 'trainer']
