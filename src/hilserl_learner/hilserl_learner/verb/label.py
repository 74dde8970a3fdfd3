"""Label an episode after recording: success, failure or discarded.

The label is written to a file beside the bag. The bag does not change.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from so101_node.errors import CellError

ABSOLUTE = 1e9  # s; a smaller time counts from the bag's start, a larger one from 1970


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from hilserl_core.bags.labels import OUTCOMES

    parser.add_argument('bag', type=Path)
    parser.add_argument('outcome', choices=sorted(OUTCOMES))
    parser.add_argument(
        '--at',
        type=float,
        metavar='TIME',
        help='time of the outcome, s '
        "since the bag's start (or since 1970); the episode at that time gets "
        'the label and ends there; without it, every episode that has no label gets this one',
    )


def main(options: Namespace) -> None:
    """Label the bag."""
    label(options.bag.absolute(), options.outcome, options.at)


def label(bag: Path, outcome: str, at: float | None) -> None:
    """Label a bag; CellError if it is not a bag, or `at` (s) is not within it."""
    from hilserl_core.bags.labels import OUTCOMES, Label, add_label, sidecar

    from ..importing.recording import opened

    with opened(bag) as reader:
        start, end = reader.start_time, reader.end_time
    time = None
    if at is not None:
        time = int(at * 1e9) + (0 if at >= ABSOLUTE else start)
        if not start <= time <= end:
            raise CellError(
                f'--at {at:g} is not within {bag.name}, which lasts {(end - start) / 1e9:.1f} s'
            )
    count = len(add_label(bag, Label(OUTCOMES[outcome], time)))
    where = 'every unlabelled episode' if time is None else f'{(time - start) / 1e9:.2f} s'
    print(f'{bag.name}: {outcome} at {where}; {count} labels in {sidecar(bag)}')
