"""The runner of the verbs: exit codes, and one sentence without a stack trace for each error."""

import signal
import subprocess
import sys
from types import ModuleType

import pytest

from so101_node import verb
from so101_node.errors import CellError


@pytest.fixture
def made(monkeypatch):
    """Define verbs from functions: made(shout=function)."""

    def make(**functions):
        def load(name):
            module = ModuleType(name)
            module.__doc__ = f'Help text of {name}.\n\nMore on it.'
            module.add_arguments = lambda parser: parser.add_argument('--loud', type=int)
            module.main = functions[name.replace('-', '_')]
            return module

        names = {name.replace('_', '-'): 'module' for name in functions}
        monkeypatch.setattr(verb, 'verbs', lambda: names)
        monkeypatch.setattr(verb, 'load', load)

    return make


def fails(error):
    def main(_):
        raise error

    return main


def test_the_command_exits_with_the_code_of_its_verb(made):
    made(good=lambda _: None, bad=lambda _: 1)
    assert verb.run(['good']) == 0
    assert verb.run(['bad']) == 1


def test_a_cell_error_is_one_sentence_and_exit_code_1(made, capsys):
    made(shout=fails(CellError('the arm is off; switch it on')))
    assert verb.run(['shout']) == 1
    assert capsys.readouterr().err == 'cell shout: the arm is off; switch it on\n'


def test_ctrl_c_is_one_sentence_and_exit_code_130(made, capsys):
    made(a=fails(KeyboardInterrupt()), b=fails(KeyboardInterrupt('stopped; no file was written')))
    assert verb.run(['a']) == verb.run(['b']) == 130
    assert capsys.readouterr().err == 'cell a: stopped\ncell b: stopped; no file was written\n'


def test_any_other_exception_keeps_its_stack_trace(made):
    made(shout=fails(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        verb.run(['shout'])


@pytest.mark.parametrize('words', [['--louder'], ['--loud', 'very'], ['extra']])
def test_wrong_arguments_are_one_sentence_and_exit_code_2(made, capsys, words):
    made(shout=lambda _: None)
    with pytest.raises(SystemExit) as ended:
        verb.run(['shout', *words])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith('cell shout: ') and error.count('\n') == 1
    assert error.endswith('; cell shout --help shows the arguments\n')


def test_an_unknown_verb_names_the_nearest_known_one(made, capsys):
    made(train=lambda _: None, report=lambda _: None)
    assert verb.run(['tarin']) == 2
    error = capsys.readouterr().err
    assert error == 'cell: there is no verb tarin (nearest: train); ./cell --help lists them\n'


def test_the_first_option_can_choose_a_verb(made):
    made(bake=lambda options: 3, bake_bread=lambda options: options.loud)
    assert verb.run(['bake', '--bread', '--loud', '5']) == 5
    assert verb.run(['bake', '--loud', '5']) == 3


def test_the_overview_has_the_first_line_of_each_help_text(made, capsys):
    made(shout=lambda _: None, bake=lambda _: None)
    assert verb.run(['--help']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ['  ./cell shout  Help text of shout.', '  ./cell bake   Help text of bake.']
    assert verb.run([]) == 2


PIPE = """
import sys
from types import SimpleNamespace
from so101_node import verb

def main(options):
    for _ in range(100_000):
        print('a line without a reader')

verb.verbs = lambda: {'talk': ''}
verb.load = lambda _: SimpleNamespace(__doc__='Talk.', add_arguments=lambda _: None, main=main)
sys.exit(verb.run(['talk']))
"""


def test_a_closed_pipe_ends_the_verb_without_a_stack_trace():
    talker = subprocess.Popen(
        [sys.executable, '-c', PIPE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    talker.stdout.readline()
    talker.stdout.close()
    assert talker.stderr.read() == ''
    assert talker.wait(20) == 141


def test_a_console_script_runs_the_verb_of_its_name(made, monkeypatch):
    made(bake=lambda options: options.loud)
    monkeypatch.setattr(sys, 'argv', ['/install/lib/package/bake', '--loud', '7'])
    with pytest.raises(SystemExit) as ended:
        verb.script()
    assert ended.value.code == 7


INTERRUPTED = """
import os, signal, sys, time
from types import SimpleNamespace
from so101_node import verb

class Fragile:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.0)

def replaced(_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.0)
    except BaseException:
        raise ImportError('the library is broken')

def dropped(_):
    Fragile()
    time.sleep(1.0)
    print('not interrupted')

main = {'replaced': replaced, 'dropped': dropped, 'early': lambda _: time.sleep(1.0)}
verb.verbs = lambda: dict.fromkeys(main, '')
verb.load = lambda name: SimpleNamespace(
    __doc__='Wait.', add_arguments=lambda _: None, main=main[name])
verb.main(sys.argv[1:])
"""


@pytest.mark.parametrize('case', ['replaced', 'dropped', 'early'])
def test_a_ctrl_c_is_one_sentence_whatever_it_interrupts(case):
    """Libraries replace a KeyboardInterrupt, and Python drops it in a destructor."""
    words = [sys.executable, '-c', INTERRUPTED, case]
    if case == 'early':  # while Python starts: ./cell holds it back
        held = {signal.SIGINT}
        process = subprocess.Popen(
            words,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, held),
        )
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=20)[1]
        code = process.returncode
    else:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
        assert done.stdout == ''
        code, errors = done.returncode, done.stderr
    assert (code, errors) == (130, f'cell {case}: stopped\n')
