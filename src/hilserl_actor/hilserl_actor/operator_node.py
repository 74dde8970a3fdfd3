"""The operator node: turns keys at this terminal into service calls and shows the cell's status.

Keys count only while this terminal has the focus. Under `ros2 launch`, whose nodes have pipes, it
is that of the session. Without a terminal, or with screen:=plain, the node prints a status line
every status_period; with screen:=spoken it prints only changes.
"""

import os
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from so101_interfaces.msg import ActorStatus
from so101_node.ros_node import OPERATOR_PRIORITY, CellNode

from .bringup.console_link import link_in
from .operator.announcements import announcements
from .operator.keyboard import Keyboard, key_table, keys_of, no_keys
from .operator.screen import Screen
from .operator.status_line import status_line
from .operator.terminal import Terminal, open_terminal
from .options import BY_KEYS, OperatorOptions
from .ros.key_services import KeyServices
from .ros.screen_feed import ScreenFeed

if TYPE_CHECKING:
    from .ros.leader_teleop import LeaderTeleop

SCREEN_PERIOD = 0.5  # s


class OperatorNode(CellNode):
    """`operator`: keys in, status out."""

    URGENT = OPERATOR_PRIORITY
    OPTIONS = OperatorOptions
    options: OperatorOptions

    def __init__(self) -> None:
        super().__init__('operator')
        teleop = self.options.teleop in BY_KEYS
        self._table = key_table(self.options.teleop)
        self.screen = Screen(self.options.teleop, link_in(os.environ))
        self._live: Live | None = None
        self._style = self.options.screen
        if self._style == 'auto' and not sys.stdout.isatty():
            self._style = 'plain'
        feed = ScreenFeed(self, self.screen, self._on_actor)
        if self._style == 'auto':
            self._live = Live(console=Console(), auto_refresh=False, screen=True)
            self._live.start()
            self.create_timer(SCREEN_PERIOD, self._draw)
        elif self._style == 'plain':
            self.create_timer(self.options.status_period, self._print)
        self._keys = KeyServices(self, keys_of(self.options.teleop), self._show_message, feed.mode)
        self._teleop = self._make_teleop() if teleop else None
        self._terminal = open_terminal()
        if self._terminal is None:
            print(no_keys(self.get_namespace(), self.options.teleop, os.environ), flush=True)
        else:
            if self._live is None:
                print('keys:\n' + self._table, flush=True)
            self.guard(self._read_keys, self._terminal)

    def _make_teleop(self) -> 'LeaderTeleop':
        from .ros.leader_teleop import LeaderTeleop  # imports MuJoCo

        return LeaderTeleop(self)

    # -- status --------------------------------------------------------------------------------

    def _on_actor(self, before: ActorStatus | None, message: ActorStatus) -> None:
        if self._style == 'spoken':
            for sentence in announcements(before, message, self.options.teleop):
                print(sentence, flush=True)

    def _draw(self) -> None:
        if self._live is None:
            return
        width, height = self._live.console.size
        self._live.update(self.screen.render(time.monotonic(), height, width), refresh=True)

    def _print(self) -> None:
        now = time.monotonic()
        gone = self.screen.learner_gone(now)
        screen = self.screen
        line = status_line(screen.actor, screen.learner, gone, self.options.teleop)
        if self.screen.actor_gone(now):
            line = 'NO STATUS FROM THE ACTOR | ' + line
        print(line, flush=True)

    def _show_message(self, sentence: str) -> None:
        if self._live is None:
            print(sentence, flush=True)
        else:
            self.screen.lines += [('', line) for line in sentence.splitlines()]

    # -- keys ----------------------------------------------------------------------------------

    def _read_keys(self, terminal: Terminal) -> None:
        keyboard = Keyboard()
        while not self.stop_event.is_set():
            typed = terminal.read(0.2)
            if typed is None:
                self.get_logger().warning('the terminal is gone; the node ends')
                self.stop_event.set()
            for key in keyboard.feed(typed or b''):
                if self._keys.press(key):
                    continue
                if key in ('?', 'h'):
                    self._show_message(self._table)
                elif self._teleop:
                    self._teleop.press(key)

    def close(self) -> None:
        """Restore the terminal."""
        if self._live is not None:
            self._live.stop()
        if self._terminal is not None:
            self._terminal.restore()
