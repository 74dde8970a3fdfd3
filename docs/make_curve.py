"""Write docs/learning.svg, the README's curve: the success of a run, as its report shows it."""

from pathlib import Path
import sys

from hilserl_learner.report.figures import success
from hilserl_learner.report.run_record import read_run

if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(f'usage: {sys.argv[0]} RUN_DIRECTORY')
    Path(__file__).with_name('learning.svg').write_text(
        success(read_run(Path(sys.argv[1]))), encoding='utf-8'
    )
