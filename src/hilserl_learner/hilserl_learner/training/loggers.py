"""Which loggers of curves there are, and whether one can be used here."""

from importlib.util import find_spec

from so101_node.errors import CellError

LOGGERS = TENSORBOARD, WANDB, TRACKIO, NONE = ('tensorboard', 'wandb', 'trackio', 'none')


def require_logger(logger: str) -> None:
    """CellError if the package of that logger is not installed."""
    if logger in (WANDB, TRACKIO) and find_spec(logger) is None:
        raise CellError(
            f'logger:={logger} needs the Python package {logger}, and it is not installed here; '
            f'run .venv/bin/python -m pip install {logger}, or use logger:={TENSORBOARD}'
        )
