"""Look at runs in the browser: episodes, images, labels, evaluations.

./cell console RUN                episodes of a run with their images; success, failure, discarded
                                  and the moment of success can be set
./cell console RUN OTHER          runs side by side: success, evaluations, options that differ

RUN is the name of a run, its directory, or any directory of bags. A run may be in use: a label
then goes to its learner. The page of a running cell is served by the cell itself: train, record
and eval print its link.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hilserl_core.contract.steps import Outcome

    from ..archive import AskLearner
    from ..learner_labels import LearnerLabels


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'runs', metavar='RUN', nargs='+', help='name of the run, or a directory with bags'
    )
    parser.add_argument(
        '--runs-dir', type=Path, default=Path('runs'), help='directory of all runs'
    )
    parser.add_argument(
        '--port', type=int, default=0, help='port of the page (default: a free one)'
    )


def _ask_learner() -> 'AskLearner':
    """Return the function that labels an episode of a running run, through its learner."""
    found: dict[str, LearnerLabels] = {}

    def ask(namespace: str, episode_id: str, outcome: 'Outcome', at: int) -> str:
        from ..learner_labels import LearnerLabels  # ROS: a finished run needs none

        labels = found.setdefault(namespace, LearnerLabels(namespace))
        return labels.label(episode_id, outcome, at)

    return ask


def main(options: Namespace) -> None:
    """Serve until Ctrl-C."""
    import asyncio

    from hilserl_actor.bringup.console_link import make_link, port_and_token

    from ..access import Access
    from ..archive import Archive
    from ..archive_server import ArchiveServer, serve
    from ..options import LOOPBACK

    runs = []
    for name in options.runs:
        inside = options.runs_dir / name
        runs.append(Archive(inside if inside.is_dir() else Path(name), _ask_learner()))
    link = make_link(LOOPBACK, options.port)
    port, token = port_and_token(link)
    app = ArchiveServer(Access(token, port), runs).app
    print(f'console: {link} (Ctrl-C ends)', flush=True)
    asyncio.run(serve(app, LOOPBACK, port, asyncio.Event()))
