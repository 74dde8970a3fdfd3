"""Plays a new owner's first day on emulated arms, from new servos to the first stored steps.

Two buses of factory-fresh servos (id 1, 1 Mbaud) stand for the two arms, and a video for the wrist
camera. The commands are the real ones, on a terminal. This script types, plugs and moves the arms
as a person does. `docs/first-day.md` quotes the session that it prints.
"""

import argparse
import os
from pathlib import Path
import shutil
import tempfile

import cv2
import numpy as np
from rich.console import Console

from hilserl_tests.cell_process import own_domain
from hilserl_tests.new_arm import NewArm
from hilserl_tests.source_tree import source_root
from hilserl_tests.typed_command import TypedCommand
from so101_description.joints import JOINTS

SUPPLY = {'follower': 12.0, 'leader': 7.4}  # V
CAMERA = 'cameras: {wrist: {device: wrist.avi, width: 320, height: 240, rate: 15}}\n'
LATE = 'answer_timeout:=0.02'  # this process, which emulates the servos, waits for the CPU


class FirstDay:
    """The session, in the current directory; `show(text)` receives each finished command."""

    def __init__(self, environment: dict[str, str], show):
        self._environment, self._show = environment, show
        self.arms = {
            arm: NewArm(arm, Path(f'usb-{arm}').absolute(), volts) for arm, volts in SUPPLY.items()
        }

    def play(self) -> None:
        """Run every command, to the end of the first demonstration."""
        for arm in self.arms.values():
            arm.connect_usb()
        self.find()
        with open('bench.yaml', 'a', encoding='utf-8') as file:
            file.write(CAMERA)  # a video is no camera that `find` can find
        for arm in self.arms.values():
            self.motors(arm)
        for arm in self.arms.values():
            self.calibrate(arm)
        self._show(self._command('calibrate follower --check').end())
        self._show(self._command(f'preflight sim:=false preflight_wait:=60 {LATE}').end(120.0))
        self.record()

    def _command(self, words: str) -> TypedCommand:
        return TypedCommand(f'./cell {words}', self._environment)

    def find(self) -> None:
        """Look at two adapters without servos: a person pulls the follower's cable."""
        follower = self.arms['follower']
        command = self._command('find --port usb-follower --port usb-leader')
        command.wait_for('Unplug the USB cable of the follower')
        follower.connect_usb(False)
        command.type('\n')
        command.wait_for('Plug it in again')
        follower.connect_usb()
        command.type('\n')
        command.wait_for('Is the leader on')
        command.type('\n')
        for arm, volts in SUPPLY.items():
            command.wait_for(f'Supply voltage of the {arm}')
            command.type(f'{volts:g}\n')
        self._show(command.end())

    def motors(self, arm: NewArm) -> None:
        """Connect one servo after the other, then all."""
        command = self._command(f'motors {arm.name}')
        for _ in JOINTS:
            arm.plug(command.wait_for(r'Connect only the servo of (\w+) .*Enter'))
            command.type('\n')
        command.wait_for('Connect all six')
        arm.plug(*JOINTS)
        command.type('\n')
        self._show(command.end())

    def calibrate(self, arm: NewArm) -> None:
        """Move every joint from the middle to both ends and back."""
        command = self._command(f'calibrate {arm.name}')
        command.wait_for('half open.*, then press Enter')
        command.type('\n')
        command.wait_for(r'gripper +│')
        for _ in range(5):
            for share in (1.0, -1.0, 0.0):
                arm.move(share, 1.5)
                command.shows('never', 0.7)  # the display goes on
            command.type('\n')
            if command.shows('saved|not complete', 20.0)[0] == 'saved':
                break
        self._show(command.end())

    def record(self) -> None:
        """Drive one demonstration with the leader."""
        command = self._command(f'record sim:=false run:=demos episodes:=1 screen:=plain {LATE}')
        command.wait_for(r'IDLE +\| .* updates')
        self._space_until(command, r'\n(READY|RESET\w*) +\|')
        self._space_until(command, r'\nHUMAN +\| .*step +[1-9]')
        for share in (0.05, 0.0, 0.05, 0.0):
            self.arms['leader'].move(share, 0.8)
        command.type('s')
        self._show(command.end(40.0))

    @staticmethod
    def _space_until(command: TypedCommand, words: str) -> None:
        """Press space, again after a while if the cell was not ready yet."""
        for _ in range(10):
            command.type(' ')
            if command.shows(words, 5.0):
                return
        raise SystemExit(f'{command.line}: the space key had no effect:\n{command.shown}')


def main() -> None:
    """Play the day in a directory of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, help='write the session to this file too')
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix='first-day-'))
    console = Console(markup=False, highlight=False, soft_wrap=True)
    out = options.out and options.out.absolute()

    def show(text: str) -> None:
        text = text.replace(str(directory), '~/so101')
        console.print(text)
        if options.out:
            with open(out, 'a', encoding='utf-8') as file:
                file.write(text + '\n')

    os.chdir(directory)
    Path('cell').symlink_to(source_root() / 'cell')
    writer = cv2.VideoWriter('wrist.avi', cv2.VideoWriter.fourcc(*'MJPG'), 30.0, (320, 240))
    for i in range(60):
        writer.write(np.full((240, 320, 3), 90 + i, np.uint8))
    writer.release()
    try:
        with own_domain() as environment:
            environment |= {'HF_LEROBOT_CALIBRATION': str(directory / 'none')}
            FirstDay(environment, show).play()
    finally:
        os.chdir('/')
        shutil.rmtree(directory)


if __name__ == '__main__':
    main()
