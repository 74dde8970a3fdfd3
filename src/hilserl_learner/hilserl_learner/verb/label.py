"""`./cell label BAG success|failure|discarded [--at TIME]`: say afterwards how an episode came out."""

import argparse
from pathlib import Path
import sys

from hilserl_core.bags.labels import OUTCOMES, Label, add_label, sidecar
from so101_node.errors import CellError

from ..importing.recording import open_reader

ABSOLUTE = 1e9  # s; from here on a time is since 1970, below since the bag's start


def main(argv=None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog='./cell label', description=__doc__)
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
    options = parser.parse_args(argv)
    try:
        label(options.bag.absolute(), options.outcome, options.at)
        return 0
    except CellError as error:
        print(f'cell label: {error}', file=sys.stderr)
        return 1


def label(bag: Path, outcome: str, at: float | None) -> None:
    """Label a bag; CellError if it is none, or does not hold that moment."""
    reader = open_reader(bag)
    start, end = reader.start_time, reader.end_time
    reader.close()
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


if __name__ == '__main__':
    sys.exit(main())
