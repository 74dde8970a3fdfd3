"""A training run: start or resume, add steps, update, publish, save."""

__all__ = [
    'checkpoints',
    'curve_tags',
    'curves',
    'learner',
    'malloc',
    'options',
    'resume',
    'run_directory',
    'run_file',
    'step_budget',
    'trainer',
]
