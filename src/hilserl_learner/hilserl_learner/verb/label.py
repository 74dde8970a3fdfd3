"""Say afterwards how an episode came out: success, failure or discarded.

The label goes into a file beside the bag; the bag does not change.
"""

from pathlib import Path

from so101_node.errors import CellError

ABSOLUTE = 1e9  # s; from here on a time is since 1970, below since the bag's start


def add_arguments(parser) -> None:
    """Declare the arguments."""
    from hilserl_core.bags.labels import OUTCOMES

    parser.add_argument('bag', type=Path)
    parser.add_argument('outcome', choices=sorted(OUTCOMES))
    parser.add_argument(
        '--at',
        type=float,
        metavar='TIME',
        help='the moment it came out so, s '
        "since the bag's start (or since 1970): the episode under way then gets "
        'the label and ends there; without: every episode that has no label',
    )


def main(options) -> None:
    """Label the bag."""
    label(options.bag.absolute(), options.outcome, options.at)


def label(bag: Path, outcome: str, at: float | None) -> None:
    """Label a bag; CellError if it is none, or does not hold that moment."""
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
