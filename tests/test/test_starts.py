"""What `./cell bench start` counts, its busy loops, and the rights that it takes away."""

import os
import signal
import subprocess
import sys
import time

import pytest

from hilserl_tests.starts import BUSY, REAL_TIME, Start, busy_loops, missed_percent, summary

SLOW = 'cell: the start failed: after 300 s actor not up; close other programs, or rate:=5'


@pytest.mark.parametrize(
    'start, kind, words',
    [
        (Start(0, ['cell: done'], 4.2, 1.0), 'ended', 'first step after 4.2 s'),
        (Start(1, ['a', SLOW, 'b'], None, None), 'refused', SLOW),
        (Start(0, ['cell: run_for:=60 is over'], None, 0.0), 'failed', 'made no step'),
        (Start(1, ['cell: actor failed'], 4.2, 1.0), 'failed', 'cell: actor failed'),
        (Start(None, [SLOW], None, None), 'failed', 'did not end in time'),
        (Start(-9, [], None, None), 'failed', 'ended with -9'),
    ],
)
def test_a_start_ended_was_refused_with_the_sentence_or_failed(start, kind, words):
    kinds = {name: getattr(start, name) for name in ('ended', 'refused', 'failed')}
    assert [name for name, holds in kinds.items() if holds] == [kind]
    assert words in start.told()


def test_a_failed_start_tells_its_last_lines_only():
    told = Start(1, [f'line {i}' for i in range(50)], None, None).told()
    assert 'line 49' in told and 'line 30' not in told


def test_the_summary_counts_each_start_once_and_takes_figures_from_those_that_have_them():
    starts = [
        Start(0, [], 5.0, 1.0),
        Start(0, [], 9.04, 3.0),
        Start(1, [SLOW], None, None),
        Start(1, ['cell: world failed'], None, None),
    ]
    assert summary(starts, 8, True) == {
        'starts': 4,
        'busy': 8,
        'ended_0': 2,
        'refused_with_sentence': 1,
        'failed': 1,
        'first_step_s_median': 7.0,
        'first_step_s_max': 9.0,
        'missed_ticks_percent_median': 2.0,
        'unprivileged': True,
    }
    assert summary([], 8, False)['first_step_s_max'] is None


def test_missed_ticks_are_a_share_of_those_that_were_due():
    assert missed_percent(60, 60.0, 10.0) == pytest.approx(10.0)
    assert missed_percent(0, 0.0, 10.0) == 0.0


def test_busy_loops_compute_and_end_with_their_block():
    with pytest.raises(KeyboardInterrupt), busy_loops(2) as loops:
        assert [loop.poll() for loop in loops] == [None, None]
        raise KeyboardInterrupt
    assert [loop.returncode for loop in loops] == [-signal.SIGKILL] * 2


@pytest.mark.slow
def test_a_busy_loop_ends_when_its_parent_was_killed():
    parent = subprocess.Popen(
        [
            sys.executable,
            '-c',
            'import subprocess, sys\n'
            'loop = subprocess.Popen([sys.executable, "-c", sys.argv[1]])\n'
            'print(loop.pid, flush=True)\nloop.wait()',
            BUSY,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    loop = int(parent.stdout.readline())
    time.sleep(1.0)  # it has read who its parent is
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20.0
    while os.path.exists(f'/proc/{loop}/exe') and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f'/proc/{loop}/exe')


def test_processes_that_are_started_after_a_denial_have_no_real_time_rights():
    program = (
        'import subprocess, sys\n'
        'from hilserl_tests.starts import deny_real_time\n'
        'deny_real_time()\n'
        'done = subprocess.run([sys.executable, "-c", sys.argv[1]], capture_output=True)\n'
        'assert b"PermissionError" in done.stderr, done\n'
    )
    subprocess.run([sys.executable, '-c', program, REAL_TIME], check=True)
