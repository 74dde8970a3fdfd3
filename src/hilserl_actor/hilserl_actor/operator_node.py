"""The operator node: a person's keys at this terminal become service calls; one screen, or lines.

No global hooks: keys count only while this terminal has the focus, and every key is a service
that any other node can call as well. Without a terminal, or with screen:=plain (for a screen
reader or a log), it prints a status line now and then.
"""
import os
import select
import sys
import termios
import time
import tty

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Log
from rich.console import Console
from rich.live import Live
from so101_description import names, qos
from so101_description.ros_node import CellNode, Parameter
from so101_interfaces.msg import ActorStatus, LearnerStatus
from std_srvs.srv import SetBool, Trigger

from .screen import Screen
from .status_line import status_line

SCREEN_PERIOD = 0.5     # s
SILENCE = 3.0           # s without a status after which the actor is taken for gone

# key -> (what it does, service, value of a SetBool or None for a Trigger)
KEYS = {
    ' ': ('start the episode (or the cell)', names.START, None),
    'i': ('take over through the leader', names.INTERVENE, True),
    'o': ('give back to the policy', names.INTERVENE, False),
    's': ('mark success', names.SUCCESS, None),
    'f': ('mark failure', names.FAILURE, None),
    'd': ('discard the episode', names.DISCARD, None),
    'p': ('pause', names.PAUSE, True),
    'r': ('resume', names.PAUSE, False),
    'x': ('EMERGENCY STOP: the arm holds', names.ESTOP, None),
    'c': ('clear the emergency stop', names.ESTOP_RESET, None),
    'l': ('pause the learner', names.LEARNER_PAUSE, True),
    'k': ('let the learner go on', names.LEARNER_PAUSE, False),
}


def key_table() -> str:
    """Return the keys and what they do."""
    return '\n'.join(f'  {"space" if key == " " else key:<6}{text}'
                     for key, (text, _, _) in KEYS.items())


class OperatorNode(CellNode):
    """`operator`: keys in, status out."""

    PARAMETERS = (
        Parameter('status_period', 2.0, 'a status line every so many seconds', 0.1, 600.0),
        Parameter('screen', 'auto', 'auto: one screen on a terminal; plain: lines',
                  choices=('auto', 'plain')),
    )

    def __init__(self):
        super().__init__('operator')
        self._actor = self._learner = None
        self._actor_seen = 0.0
        self.create_subscription(ActorStatus, names.ACTOR_STATUS, self._on_actor, qos.STATUS)
        self.create_subscription(
            LearnerStatus, names.LEARNER_STATUS, self._on_learner, qos.STATUS)
        self._screen = Screen(key_table())
        self._live = None
        if self.param('screen') == 'auto' and sys.stdout.isatty():
            self._live = Live(console=Console(), auto_refresh=False, screen=True)
            self._live.start()
            self.create_subscription(Log, '/rosout', self._on_log, qos.STATUS)
            self.create_subscription(
                DiagnosticArray, names.DIAGNOSTICS, self._on_diagnostics, qos.STATUS)
            self.create_timer(SCREEN_PERIOD, self._draw)
        else:
            self.create_timer(self.param('status_period'), self._print)
        self._key_clients = {
            (name, value is None): self.create_client(Trigger if value is None else SetBool, name)
            for _, name, value in KEYS.values()}
        self._terminal = None
        # A job in the background must not read the terminal: it would be stopped.
        if sys.stdin.isatty() and os.tcgetpgrp(0) == os.getpgrp():
            self._terminal = termios.tcgetattr(0)
            tty.setcbreak(0)
            if self._live is None:
                print('keys:\n' + key_table(), flush=True)
            self.guard(self._read_keys)

    def _on_actor(self, message: ActorStatus) -> None:
        self._screen.note_outcomes(self._actor, message)
        self._actor, self._actor_seen = message, time.monotonic()

    def _on_learner(self, message: LearnerStatus) -> None:
        self._learner = message

    def _on_log(self, message: Log) -> None:
        if message.name != self.get_logger().name:
            style = {30: 'yellow', 40: 'red', 50: 'bold red'}.get(message.level, '')
            self._screen.lines.append((style, f'{message.name}: {message.msg}'))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.startswith('driver: ') and status.name.count(': ') == 2:
                servo = status.name.removeprefix('driver: ').replace(': ', '/')
                self._screen.servos[servo] = {v.key: v.value for v in status.values}

    def _draw(self) -> None:
        self._screen.actor, self._screen.learner = self._actor, self._learner
        if self._actor and time.monotonic() - self._actor_seen > SILENCE:
            self._screen.lines.append(('bold red', 'NO WORD FROM THE ACTOR'))
        self._live.update(self._screen.picture(), refresh=True)

    def _say(self, sentence: str) -> None:
        if self._live is None:
            print(sentence, flush=True)
        else:
            self._screen.lines.append(('', sentence))

    def _print(self) -> None:
        line = status_line(self._actor, self._learner)
        if self._actor and time.monotonic() - self._actor_seen > SILENCE:
            line = 'NO WORD FROM THE ACTOR | ' + line
        print(line, flush=True)

    def _read_keys(self) -> None:
        while not self.stop_event.is_set():
            if select.select([0], [], [], 0.2)[0]:
                key = os.read(0, 1).decode(errors='replace').lower()
                if key in KEYS:
                    self._press(key)
                elif key in ('?', 'h'):
                    self._say(key_table())

    def _press(self, key: str) -> None:
        text, name, value = KEYS[key]
        client = self._key_clients[(name, value is None)]
        if not client.service_is_ready():
            self._say(f'{text}: nobody offers {name} now')
            return
        request = Trigger.Request() if value is None else SetBool.Request(data=value)
        client.call_async(request).add_done_callback(lambda future: self._say(
            f'{text}: {"ok" if future.result().success else future.result().message}'))

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self._live is not None:
            self._live.stop()
        if self._terminal is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self._terminal)
