"""Make and measure a success detector: ./cell reward data|train|eval.

./cell reward data RUN...                        which labels there are, and what is missing
./cell reward train RUN... --out lift.safetensors   train one, and report on held-out episodes
./cell reward eval lift.safetensors RUN...       measure it on other episodes

RUN is the name of a run, its directory, any directory of bags, or one bag. A success is labelled
by the operator's key, the world, or ./cell label. Then: ./cell train reward:=lift.safetensors
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..episode_report import Report
    from ..labelled import LabelledEpisodes


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    from ..defaults import FRAMES, MARGIN, REACTION, UPDATES

    actions = parser.add_subparsers(dest='action', required=True, metavar='data|train|eval')
    data = actions.add_parser('data', help='which labels there are, and what is missing')
    train = actions.add_parser('train', help='train a detector, and report on held-out episodes')
    measure = actions.add_parser('eval', help='measure a detector on other episodes')
    measure.add_argument('file', type=Path, metavar='FILE', help='of the detector')
    for each in (data, train, measure):
        each.add_argument('runs', nargs='+', metavar='RUN', help='a run, or a directory of bags')
        each.add_argument(
            '--runs-dir', type=Path, default=Path('runs'), help='directory of all runs'
        )
        each.add_argument(
            '--margin',
            type=float,
            default=MARGIN,
            metavar='S',
            help='frames from this time before a labelled success on have no label, and a reward '
            f'there is not early (default: {MARGIN:g} s)',
        )
        each.add_argument(
            '--reaction',
            type=float,
            metavar='S',
            help='by how much the key of the operator is later than the success, at least '
            f'(default: {REACTION:g} s in a run that an operator marked, else 0)',
        )
    for each in (train, measure):
        each.add_argument('--episodes', action='store_true', help='print each episode, too')
        each.add_argument('--picture', type=Path, metavar='FILE', help='picture (png, svg)')
        each.add_argument('--report', type=Path, metavar='FILE', help='figures as JSON')
    train.add_argument(
        '--out', type=Path, required=True, metavar='FILE', help='file to write (.safetensors)'
    )
    train.add_argument(
        '--encoder',
        type=Path,
        metavar='FILE',
        help='use the encoder of this policy or checkpoint as it is; without it, train a new one',
    )
    train.add_argument(
        '--frames',
        default=FRAMES,
        metavar='N/M',
        help=f'a reward needs N of the last M frames (default: {FRAMES})',
    )
    train.add_argument(
        '--gate',
        default='',
        metavar='CONDITION',
        help='a state without which there is no reward, such as tool.z>0.05',
    )
    train.add_argument('--updates', type=int, default=UPDATES, help=f'default: {UPDATES}')
    train.add_argument('--seed', type=int, default=0, help='default: 0')
    train.add_argument(
        '--anyway',
        action='store_true',
        help='write the file although the report says that it must not be used',
    )


def main(options: Namespace) -> int:
    """Do one of the three; return 1 if a detector must not be used."""
    from so101_node.errors import CellError

    for name in ('margin', 'reaction'):
        value = getattr(options, name)
        if value is not None and not 0.0 <= value <= 10.0:
            raise CellError(f'--{name} is {value:g} s; allowed are 0 to 10')
    return {'data': _data, 'train': _train, 'eval': _eval}[options.action](options)


def _data(options: Namespace) -> int:
    _read(options)
    return 0


def _train(options: Namespace) -> int:
    from rich.progress import Progress

    from so101_node.errors import CellError

    from ..debounce import Rule
    from ..network import SCRATCH, read_encoder
    from ..picture import draw
    from ..training import TrainingOptions, train

    if options.out.suffix != '.safetensors':
        raise CellError(f'--out {options.out}: the name of a detector ends with .safetensors')
    if not 1 <= options.updates <= 100_000:
        raise CellError(f'--updates is {options.updates}; allowed are 1 to 100,000')
    rule = Rule.read(options.frames)
    found = _read(options)
    config, encoder = SCRATCH, None
    if options.encoder:
        config, encoder = read_encoder(options.encoder, found.schema)
    chosen = TrainingOptions(
        options.updates, options.seed, rule, options.gate, options.margin, config, encoder
    )
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        work = bar.add_task('training')
        trained = train(
            found, chosen, lambda done, total: bar.update(work, completed=done, total=total)
        )
    detector, report = trained.detector, trained.report
    print('on episodes that it has not seen:')
    _print(report, options.episodes)
    picture = options.picture or options.out.with_suffix('.png')
    draw(picture, report, trained.points, detector.settings.threshold)
    _write_report(options.report or options.out.with_suffix('.json'), report, detector.version)
    problems = report.problems()
    if problems and not options.anyway:
        raise CellError(
            'no detector is written: '
            + '; '.join(problems)
            + f' (see {picture}; --anyway writes it all the same)'
        )
    detector.save(options.out)
    for sentence in problems:
        print(f'WARNING: {sentence}')
    print(
        f'{options.out}: version {detector.version}, threshold '
        f'{detector.settings.threshold:.3f}, {rule.needed} of {rule.of} frames; curve in {picture}'
    )
    return 0


def _eval(options: Namespace) -> int:
    from so101_node.errors import CellError

    from ..detector import SuccessDetector
    from ..episode_report import curve, report_on
    from ..picture import draw
    from ..training import judged

    detector = SuccessDetector.load(options.file)
    found = _read(options)
    if lines := detector.schema.differences(found.schema):
        raise CellError(f'{options.file} is for another task than these runs; ' + '; '.join(lines))
    traces, rule = judged(detector, found.episodes), detector.rule
    threshold = detector.settings.threshold
    report = report_on(traces, threshold, rule, options.margin)
    _print(report, options.episodes)
    if options.picture:
        draw(options.picture, report, curve(traces, rule, options.margin), threshold)
    if options.report:
        _write_report(options.report, report, detector.version)
    problems = report.problems()
    for sentence in problems:
        print(f'cell reward: do not use it here: {sentence}', file=sys.stderr)
    return 1 if problems else 0


def _read(options: Namespace) -> 'LabelledEpisodes':
    """Read the episodes with progress, and print what is there and what is missing."""
    from rich.progress import Progress

    from so101_node.errors import CellError, printable

    from ..counts import count
    from ..labelled import read_labelled

    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        work = bar.add_task('reading')
        found = read_labelled(
            options.runs,
            options.runs_dir,
            options.margin,
            options.reaction,
            lambda done, total: bar.update(work, completed=done, total=total),
        )
    for note in found.notes:
        print(f'cell reward: {printable(note)}', file=sys.stderr)
    for reason, number in found.left_out.items():
        print(f'{number} episodes left out: {reason}')
    if not found.episodes:
        raise CellError(
            f'no episode of {", ".join(options.runs)} has a label; label them with ./cell label'
        )
    counts = count(found)
    print(
        f'{counts.successes} successes, {counts.failures} failures of task {found.schema.name}; '
        f'frames: {counts.positive_frames} show success, {counts.negative_frames} do not, '
        f'{counts.unlabelled_frames} are too near to the moment'
    )
    if options.action != 'eval':
        for sentence in counts.missing():
            print(f'missing: {sentence}')
    return found


def _print(report: 'Report', each_episode: bool) -> None:
    from ..episode_report import EARLY, MISSED, WRONG

    for sentence in report.sentences():
        print(f'  {sentence}')
    wrong = [each for each in report.episodes if each.verdict in (EARLY, MISSED, WRONG)]
    shown = report.episodes if each_episode else wrong[:10]
    for each in shown:
        at = 'no reward' if each.rewarded is None else f'reward at step {each.rewarded}'
        label = 'failure' if each.moment is None else f'success at step {each.moment}'
        print(
            f'  {each.name}: {label}, {at}: {each.verdict}; highest probability '
            f'{each.highest:.2f}, {each.unsure:.0%} not sure'
        )
    if len(wrong) > len(shown):
        print(f'  and {len(wrong) - len(shown)} more wrong ones; --episodes shows all')


def _write_report(path: Path, report: 'Report', version: str) -> None:
    import json

    from so101_node.durable import replace_file, writing

    with writing(path):
        data = {'detector': version, **report.as_data()}
        replace_file(path, json.dumps(data, indent=1) + '\n')
