"""Makes the tables and plots of all results in docs/results; --add RUN adds a result."""

import argparse
from pathlib import Path
import sys

import failures  # first: it chooses MuJoCo's renderer

from published import failure_results, remote_rows, run_results, task_rows
from published.from_ros_run import result_of_run
from so101_node.errors import CellError

DOCS = Path(__file__).parents[1] / 'docs'
PAGE = DOCS / 'training.md'  # each table is between <!-- NAME --> and <!-- end -->
REMOTE = DOCS / 'remote.md'


def put(page: str, name: str, table: str) -> str:
    """Return the page with this table in its place."""
    begin = f'<!-- {name} -->\n'
    before, found, rest = page.partition(begin)
    _, end, after = rest.partition('<!-- end -->')
    if not (found and end):
        raise CellError(f'the page has no place for the table {name}: {begin.strip()}')
    return before + begin + table + '\n' + end + after


def draw_after(draw, *arguments) -> None:
    """Draw a plot of results; print a sentence if that fails."""
    try:
        draw(*arguments)
    except Exception as error:
        sentence = f'no plot {arguments[-1]} ({type(error).__name__}: {error})'
        print(f'cell bench results: {sentence}', file=sys.stderr)


def main():
    """Make the tables, draw the plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--add', type=Path, help='directory of an evaluated run of the ROS graph')
    parser.add_argument(
        '--check',
        action='store_true',
        help='write no file; fail if the tables differ from the data',
    )
    options = parser.parse_args()
    directory = DOCS / 'results'
    if options.add:
        found = result_of_run(options.add.resolve())
        run_results.add(directory / f'{found.task}.json', found)
    plots = []  # drawn last: the tables do not depend on them
    old = page = PAGE.read_text(encoding='utf-8')
    page = put(page, 'tasks', task_rows.markdown(task_rows.read(directory / 'tasks.json')))
    # they have pages of their own
    others = {directory / f'{name}.json' for name in ('tasks', 'reward', 'remote')}
    for file in sorted(set(directory.glob('*.json')) - others):
        runs = run_results.read(file)
        page = put(page, file.stem, run_results.markdown(runs))
        if not options.check:
            plots.append((file, run_results.draw, (runs,)))
    titles = {name: row.title for name, row in failures.ROWS.items()}
    for file in sorted(directory.glob('*.jsonl')):
        rows = failure_results.read(file)
        page = put(page, file.stem, failure_results.markdown(rows, titles))
        if not options.check:
            plots.append((file, failure_results.draw, (rows, titles)))
    link = REMOTE.read_text(encoding='utf-8')
    table = remote_rows.markdown(remote_rows.read(directory / 'remote.json'))
    if not options.check:
        PAGE.write_text(page, encoding='utf-8')
        REMOTE.write_text(put(link, 'remote', table), encoding='utf-8')
        for file, draw, data in plots:
            draw_after(draw, *data, file.with_suffix('.png'))
    elif page != old:
        raise CellError(
            f'the tables in {PAGE} differ from the data in {directory}; run ./cell bench results'
        )


if __name__ == '__main__':
    try:
        main()
    except CellError as error:
        sys.exit(f'cell bench results: {error}')
