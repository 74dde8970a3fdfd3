"""Make a film of recorded episodes, or play them as an image topic.

./cell watch RUN                  the last episode
./cell watch RUN 12 worst         episode 12, then the worst, in one film
./cell watch RUN demos            the demonstrations of the run
./cell watch RUN last --play      on watch/CAMERA/compressed and watch/episode/compressed, until
                                  Ctrl-C, for rviz, rqt_image_view, Foxglove and other viewers

RUN is the name of a run, its directory, any directory of bags, or one bag. The film shows the
cameras side by side as the policy gets them, who drove (policy or human), step, time and reward.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
import sys

EPISODE = (
    'number (1 is the first by time, -1 the last), name of a bag, or: last (the default); worst '
    '(an unsuccessful one, else the one with most help); best (a success with least help, the '
    'shortest); demos (the demonstrations); all'
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('run', metavar='RUN', help='name of the run, or a directory with bags')
    parser.add_argument('episode', metavar='EPISODE', nargs='*', help=EPISODE)
    parser.add_argument(
        '--runs-dir', type=Path, default=Path('runs'), help='directory of all runs'
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FILE',
        help='file to write: .mp4, .gif or .png (default: RUN/films/NAME.mp4)',
    )
    parser.add_argument(
        '--speed', type=float, default=1.0, help='2: twice as fast as it happened (default: 1)'
    )
    parser.add_argument(
        '--play', action='store_true', help='publish the images until Ctrl-C; no film is made'
    )


def main(options: Namespace) -> None:
    """Make the film, or play."""
    from so101_node.errors import CellError

    from ..film.drawing import pictures, size
    from ..film.episodes import LAST, Recordings
    from ..film.video_file import MP4, write_film

    if not 0.1 <= options.speed <= 10.0:
        raise CellError(f'--speed is {options.speed:g}; allowed are 0.1 to 10')
    recordings = Recordings(options.run, options.runs_dir)
    words = options.episode or [LAST]
    episodes = recordings.choose(words)
    for note in recordings.notes:
        print(f'cell watch: {note}', file=sys.stderr)
    if options.play:
        from ..film_node import play

        play(episodes, options.speed)
    first = episodes[0]
    for episode in episodes:
        if size(episode) != size(first) or episode.schema.rate != first.schema.rate:
            raise CellError(
                f'episodes {first.name} and {episode.name} have other cameras or another rate; '
                'make a film of each'
            )
    name = first.name if len(episodes) == 1 else '-'.join(words)[:100]
    out = options.out or recordings.films / f'{name}{MP4}'
    count = write_film(
        out,
        (picture for episode in episodes for picture in pictures(episode)),
        first.schema.rate * options.speed,
    )
    for episode in episodes[:10]:
        print(
            f'episode {episode.number} of {episode.total} ({episode.name}): '
            f'{episode.outcome.name.lower()}, {episode.actions} steps, '
            f'{episode.human_steps} by the human'
        )
    if len(episodes) > 10:
        print(f'and {len(episodes) - 10} more')
    seconds = count / first.schema.rate / options.speed
    print(f'{out}: {seconds:.1f} s, {out.stat().st_size / 1e6:.1f} MB')
