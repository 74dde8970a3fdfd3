"""The table and the picture of all results in docs/results; with --add RUN, one more of them."""
import argparse
from pathlib import Path
import sys

from hilserl_learner import results
from hilserl_learner.results_of_run import result_of_run
from so101_description.errors import CellError

DIRECTORY = Path(__file__).parents[1] / 'docs' / 'results'


def main():
    """Print the tables, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--add', type=Path, help='directory of an evaluated run of the ROS graph')
    options = parser.parse_args()
    if options.add:
        found = result_of_run(options.add.resolve())
        results.add(DIRECTORY / f'{found["task"]}.json', found)
    for file in sorted(DIRECTORY.glob('*.json')):
        runs = results.read(file)
        results.draw(runs, file.with_suffix('.png'))
        file.with_suffix('.md').write_text(results.markdown(runs) + '\n', encoding='utf-8')
        print(results.markdown(runs), f'\n{file.with_suffix(".png")}\n')


if __name__ == '__main__':
    try:
        main()
    except CellError as error:
        sys.exit(f'cell bench results: {error}')
