"""The command lines in README and docs: found, checked, and run.

python -m hilserl_tests.document_commands                 list them, with what checks each
python -m hilserl_tests.document_commands --run           run those in the code blocks of
                                                          SESSION_PAGES that need no robot,
                                                          shortened, in an empty directory
python -m hilserl_tests.document_commands --run --full    the same, not shortened
python -m hilserl_tests.document_commands --run-cheap     run the lines of all pages that cost
                                                          little (cheap_commands.py)

A test checks that every `./cell` line parses with the present options, that a test runs its verb
(RUN_BY), and that every other line is in OTHER, with the reason why it is not run here.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
import os
from pathlib import Path
import re
import shlex
import subprocess
import tempfile
import time

from so101_node import verb
from so101_node.errors import CellError

from .cheap_commands import cheap, run_cheap
from .source_tree import source_root

PAGES = ('README.md', 'CONTRIBUTING.md', 'docs/**/*.md')
PROGRAMS = (
    './cell', 'ros2 ', 'python -m ', 'colcon ', 'git clone', 'source install', 'export ',
    'sudo ', '.venv/bin/', 'install/', 'config=', 'udevadm ', 'ls /',
)  # fmt: skip
# What is no verb: of the script `cell` itself.
SCRIPT = {'setup', 'shell', '--help', 'help'}
CELL_COMMANDS = ('train', 'record', 'eval', 'preflight')
# Values for placeholders of arguments that have choices.
PLACEHOLDERS = {'ARM': 'follower', 'NAME': 'gripper'}
# Other programs' lines by their beginning, and why no test runs them.
OTHER = {
    'git clone': 'the repository is here already',
    'ros2 ': 'needs a ROS 2 distribution; tests/test/test_verbs.py and the launch files',
    'config=$(ros2': 'needs a ROS 2 distribution',
    'source install/setup.bash': 'needs a ROS 2 distribution',
    'colcon build': '`./cell setup` runs it',
    'colcon test': '`./cell test` runs it',
    'export PYTHONPATH': 'src/hilserl_learner/test/test_algorithm.py',
    'export ROS_': 'opens the cell to the network; src/so101_node/test/test_loopback.py',
    'export ROS_SECURITY': 'src/hilserl_actor/test/test_keystore.py',
    '.venv/bin/pre-commit': 'changes the git hooks of this checkout',
    '.venv/bin/tensorboard': 'a server that runs until it is stopped',
    'python -m hilserl_tests.lock': 'needs PyPI; tests/test/test_lock.py',
    'python -m hilserl_tests.options_page': 'tests/test/test_options.py',
    'python -m hilserl_tests.tasks_page': 'tests/test/test_options.py',
    'python -m hilserl_tests.interfaces_page': 'tests/test/test_site.py',
    'python -m hilserl_tests.screen_picture': 'tests/test/test_documents.py',
    'python -m hilserl_tests.document_commands': 'tests/test/test_documents.py',
    'scp ': 'needs another host',
    'ROS_DOMAIN_ID': 'runs until it is stopped; bench/remote.py',
    'sudo ': 'changes the system',
    'udevadm ': 'needs hardware',
    'ls ': 'needs hardware',
}
# What runs each verb as a user does: a test or a script. bench/first_day.py does it on emulated
# arms, and tests/test/test_first_day.py runs that.
THIS = 'tests/hilserl_tests/document_commands.py'
RUN_BY = {
    'act': 'bench/remote.py',
    'bench': THIS,
    'calibrate': 'bench/first_day.py',
    'checkpoints': 'src/hilserl_learner/test/test_checkpoints.py',
    'console': 'src/hilserl_console/test/test_archive.py',
    'docs': THIS,
    'eval': 'tests/test/test_evaluation.py',
    'export': 'src/hilserl_lerobot/test/test_round_trip.py',
    'find': 'bench/first_day.py',
    'import': 'tests/test/test_import.py',
    'import-lerobot': 'src/hilserl_lerobot/test/test_round_trip.py',
    'import-policy': 'src/hilserl_learner/test/test_import_policy.py',
    'label': 'src/hilserl_learner/test/test_import.py',
    'learn': 'tests/test/test_remote_learner.py',
    'lint': '.ci/run',
    'motors': 'bench/first_day.py',
    'operator': 'src/hilserl_actor/test/test_operator_node.py',
    'preflight': 'bench/first_day.py',
    'record': 'bench/first_day.py',
    'report': 'src/hilserl_learner/test/test_report.py',
    'reward': 'src/hilserl_reward/test/test_reward_verb.py',
    'secure': 'src/hilserl_actor/test/test_keystore.py',
    'secure-link': 'src/hilserl_link/test/test_keys.py',
    'task': 'src/hilserl_actor/test/test_task_check.py',
    'test': '.ci/run',
    'train': 'tests/test/test_cell.py',
    'watch': 'src/hilserl_learner/test/test_watch.py',
}
SESSION_PAGES = ('docs/first-session.md', 'README.md', 'docs/own-task.md')
AT_LAST = './cell docs'  # needs PyPI the first time
BEFORE = ('setup',)  # verbs that have run already when this module can run
# Arguments of the session in a quick run.
SHORTER = {
    'run_for:=720': 'run_for:=150',
    'run_for:=180': 'run_for:=90',
    'episodes:=50': 'episodes:=2',
    'episodes:=20': 'episodes:=3',
}


@dataclass(frozen=True)
class Line:
    """One command line of a page. in_block: of a code block, not of a sentence."""

    page: str
    text: str
    in_block: bool = True

    @property
    def words(self) -> list[str]:
        """The words as a shell splits them."""
        return shlex.split(self.text, comments=True)


def lines(root: Path) -> Iterator[Line]:
    """Every command line of README, CONTRIBUTING and docs: of code blocks and inline code."""
    for pattern in PAGES:
        for file in sorted(root.glob(pattern)):
            page = str(file.relative_to(root))
            text = file.read_text(encoding='utf-8')
            blocks = re.findall(r'^```[a-z]*\n(.*?)^```', text, re.M | re.S)
            for block in blocks:
                joined = re.sub(r'\\\n\s*', ' ', block)
                for line in joined.splitlines():
                    if found := _command(line):
                        yield Line(page, found)
            rest = re.sub(r'^```.*?^```', '', text, flags=re.M | re.S)
            for code in re.findall(r'`([^`]+)`', rest):
                if found := _command(' '.join(code.split())):
                    yield Line(page, found, in_block=False)


def _command(text: str) -> str:
    """The command line in a line of a page, or ''."""
    text = text.strip().removeprefix('$ ')
    return text if text.startswith(PROGRAMS) and text != './cell' else ''


def reason(line: Line) -> str:
    """Why a line of another program is not run here; '' if it is not known."""
    return next((why for start, why in OTHER.items() if line.text.startswith(start)), '')


def fault(line: Line) -> str:
    """What is wrong with a `./cell` line, or ''. Nothing is started and no file is read."""
    words = _examples(line.words[1:])
    if not words or words[0] in SCRIPT:
        return ''
    name, *rest = words
    if name.isupper():  # ./cell VERB
        return ''
    if rest and f'{name}-{rest[0].removeprefix("--")}' in verb.verbs() and rest[0][:2] == '--':
        name, *rest = f'{name}-{rest[0].removeprefix("--")}', *rest[1:]
    if name not in verb.verbs():
        return f'there is no verb {name}'
    if rest[-1:] == ['--help'] or (not rest and name not in CELL_COMMANDS):
        return ''  # the verb alone, as a name
    try:
        if name in CELL_COMMANDS:
            return _cell_fault(name, rest)
        verb.parser_of(name).parse_args(rest)
    except CellError as error:
        return str(error)
    except SystemExit:
        return f'{name} does not take {" ".join(rest)}'
    return ''


def _cell_fault(name: str, words: list[str]) -> str:
    from hilserl_actor.bringup import arguments

    without_files = [w for w in words if not w.startswith(('params_file:=', 'bench:='))]
    arguments.parse(name, [*without_files, *(['bench:=none'] if 'sim:=false' in words else [])])
    return ''


def _examples(words: list[str]) -> list[str]:
    """The words with a value for each placeholder; of choices (success|failure) the first."""
    found = []
    for before, word in zip(['', *words], words):
        if word == '...':
            found += ['VALUE'] if before.startswith('--') else []
        else:
            first = word.partition('|')[0] if re.fullmatch(r'[a-z|]+', word) else word
            found.append(PLACEHOLDERS.get(first, first))
    return found


def verb_of(line: Line) -> str:
    """The verb of a `./cell` line; '' if it is of the script itself."""
    words = [word for word in line.words[1:] if word != '...']
    if not words or words[0] in SCRIPT or words[0].isupper():
        return ''
    both = f'{words[0]}-{words[1].removeprefix("--")}' if words[1:] else ''
    return both if both in verb.verbs() else words[0]


def session(root: Path) -> list[str]:
    """The lines to run, in order, each once: those of SESSION_PAGES that need no robot."""
    found = [
        line
        for page in SESSION_PAGES
        for line in lines(root)
        if line.page == page and line.in_block and line.text.startswith('./cell')
    ]
    texts = [
        ' '.join(line.words)
        for line in found
        if line.words[1] not in (*BEFORE, 'find', 'motors', 'calibrate')
        and 'sim:=false' not in line.words
    ]
    return [*dict.fromkeys(texts), AT_LAST]


def run(root: Path, directory: Path, full: bool) -> list[str]:
    """Run the session in a directory. Return a line for each command, with its exit code."""
    told = []
    for text in session(root):
        for long, short in () if full else SHORTER.items():
            text = text.replace(long, short)
        began = time.monotonic()
        words = [str(root / 'cell'), *shlex.split(text)[1:]]
        done = subprocess.run(words, cwd=directory, env=os.environ, stdin=subprocess.DEVNULL)
        told.append(f'{done.returncode}  {time.monotonic() - began:6.1f} s  {text}')
    return told


def cell_texts(root: Path) -> list[str]:
    """Every `./cell` line of the pages."""
    return [line.text for line in lines(root) if line.text.startswith('./cell')]


def main() -> int:
    """List the command lines, or run the session."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('--run', action='store_true', help='run the session')
    parser.add_argument('--full', action='store_true', help='with the arguments of the pages')
    parser.add_argument('--run-cheap', action='store_true', help='run what costs little')
    options = parser.parse_args()
    root = source_root()
    if options.run or options.run_cheap:
        with tempfile.TemporaryDirectory() as directory:
            told = (
                run(root, Path(directory), options.full)
                if options.run
                else run_cheap(cell_texts(root), Path(directory))
            )
        print('\n'.join(told))
        return int(any(not line.startswith(('0 ', ' ')) for line in told))
    ran = dict.fromkeys(session(root), '--run')
    ran |= {f'./cell {text}': '--run-cheap' for text in cheap(cell_texts(root))}
    for line in lines(root):
        print(f'{line.page:24} {line.text[:90]:90} {_state(line, ran)}')
    return 0


def _state(line: Line, ran: dict[str, str]) -> str:
    if not line.text.startswith('./cell'):
        return f'not run: {reason(line)}'
    if how := ran.get(' '.join(line.words)):
        return f'run by {how}'
    by = RUN_BY.get(verb_of(line), 'the script itself')
    return fault(line) or f'parsed; {by} runs the verb'


if __name__ == '__main__':
    raise SystemExit(main())
