"""The operator node: turns keys at this terminal into service calls and shows the cell's status.

Keys count only while this terminal has the focus. Under `ros2 launch`, whose nodes have pipes, it
is that of the session. Without a terminal, or with screen:=plain, the node prints a status line
every status_period; with screen:=spoken it prints only changes.
"""

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Log
from rclpy.client import Client
from rich.console import Console
from rich.live import Live
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool, Trigger

from so101_description.joint_messages import LeaderPull
from so101_description.joints import Floats, pack
from so101_interfaces.msg import ActorStatus, LearnerStatus
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.modes import Mode
from so101_node.newest import Newest
from so101_node.refusals import short, shorten_texts
from so101_node.ros_node import OPERATOR_PRIORITY, CellNode
from so101_node.stamps import to_ns

from .operator.announcements import announcements
from .operator.keyboard import KEYS, SIMULATED_KEYS, STOP_KEYS, Keyboard, key_table, no_keys
from .operator.screen import Screen
from .operator.status_line import status_line
from .operator.terminal import Terminal, open_terminal
from .options import KEYS as KEYS_TELEOP
from .options import OperatorOptions
from .ros.stop_keys import StopKeys

if TYPE_CHECKING:
    from .operator.keyboard_teleop import KeyboardTeleop

SCREEN_PERIOD = 0.5  # s
TELEOP_PERIOD = 0.05  # s
FOLLOWER_FAULTS, LEADER_FAULTS = (
    names.CLEAR_FAULTS.format(arm=arm) for arm in ('follower', 'leader')
)


class OperatorNode(CellNode):
    """`operator`: keys in, status out."""

    URGENT = OPERATOR_PRIORITY
    OPTIONS = OperatorOptions
    options: OperatorOptions

    def __init__(self) -> None:
        super().__init__('operator')
        teleop = self.options.teleop == KEYS_TELEOP
        self._stops = StopKeys(self, self._show_message)
        self._keys = KEYS | (SIMULATED_KEYS if teleop else {})
        self._table = key_table(self.options.teleop)
        self.screen = Screen(self.options.teleop)
        self._statuses = Newest()
        self._live: Live | None = None
        self._style = self.options.screen
        if self._style == 'auto' and not sys.stdout.isatty():
            self._style = 'plain'
        self.create_subscription(ActorStatus, names.ACTOR_STATUS, self._on_actor, qos.STATUS)
        self.create_subscription(LearnerStatus, names.LEARNER_STATUS, self._on_learner, qos.STATUS)
        self.create_subscription(Log, '/rosout', self._on_log, qos.STATUS)
        self.create_subscription(
            DiagnosticArray, names.DIAGNOSTICS, self._on_diagnostics, qos.STATUS
        )
        if self._style == 'auto':
            self._live = Live(console=Console(), auto_refresh=False, screen=True)
            self._live.start()
            self.create_timer(SCREEN_PERIOD, self._draw)
        elif self._style == 'plain':
            self.create_timer(self.options.status_period, self._print)
        self._key_clients: dict[tuple[str, bool], Client[Any, Any]] = {
            (name, value is None): self.create_client(Trigger if value is None else SetBool, name)
            for _, name, value in [*self._keys.values(), ('', LEADER_FAULTS, None)]
        }
        self._teleop: KeyboardTeleop | None = None
        if teleop:
            self._start_teleop()
        self._terminal = open_terminal()
        if self._terminal is None:
            print(no_keys(self.get_namespace(), self.options.teleop, os.environ), flush=True)
        else:
            if self._live is None:
                print('keys:\n' + self._table, flush=True)
            self.guard(self._read_keys, self._terminal)

    # -- status --------------------------------------------------------------------------------

    def _on_actor(self, message: ActorStatus) -> None:
        clock = self.get_clock().now().nanoseconds
        if why := self._statuses.problem(to_ns(message.header.stamp), clock, time.monotonic()):
            raise CellError(why)
        shorten_texts(message)
        before = self.screen.actor
        self.screen.note_actor(message, time.monotonic())
        if self._style == 'spoken':
            for sentence in announcements(before, message, self.options.teleop):
                print(sentence, flush=True)

    def _on_learner(self, message: LearnerStatus) -> None:
        shorten_texts(message)
        self.screen.note_learner(message, time.monotonic())

    def _on_log(self, message: Log) -> None:
        cell = self.get_namespace().strip('/').replace('/', '.')
        if message.name != self.get_logger().name and message.name.rpartition('.')[0] == cell:
            style = {30: 'yellow', 40: 'red', 50: 'bold red'}.get(message.level, '')
            self.screen.lines.append((style, short(f'{message.name}: {message.msg}', 300)))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name = names.of_cell(self.get_namespace(), status.name)
            if not name or len(name) > 80:
                continue
            self.screen.note_diagnostic(
                name,
                ord(status.level),
                short(status.message),
                {short(pair.key, 40): short(pair.value, 40) for pair in status.values[:50]},
            )

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
                if key in STOP_KEYS:
                    self._stops.stop(*STOP_KEYS[key])
                elif key in self._keys:
                    self._press(key)
                elif key in ('?', 'h'):
                    self._show_message(self._table)
                elif self._teleop:
                    self._teleop.press(key, time.monotonic())

    def _press(self, key: str) -> None:
        text, name, value = self._keys[key]
        if name == names.DRIVER_STOP_RESET:
            self._stops.end(text)
            return
        if name == names.SET_TORQUE.format(arm='follower') and not self._is_idle():
            self._show_message(f'{text}: not now; v stops the arm and releases it in every mode')
            return
        if name == names.PAUSE:
            actor = self.screen.actor
            value = actor is None or actor.mode != Mode.PAUSED
        if name == FOLLOWER_FAULTS and self._key_clients[(LEADER_FAULTS, True)].service_is_ready():
            self._call(f'{text}: leader', LEADER_FAULTS, None)
            text = f'{text}: follower'
        self._call(text, name, value)

    def _call(self, text: str, name: str, value: bool | None) -> None:
        client = self._key_clients[(name, value is None)]
        if not client.service_is_ready():
            self._show_message(f'{text}: no node offers {name} now: wait for the cell')
            return
        request = Trigger.Request() if value is None else SetBool.Request(data=value)
        client.call_async(request).add_done_callback(
            lambda future: self._show_answer(text, future.result())
        )

    def _is_idle(self) -> bool:
        """Whether no actor uses the arm."""
        screen = self.screen
        gone = screen.actor is None or screen.actor_gone(time.monotonic())
        return gone or (screen.actor is not None and screen.actor.mode == Mode.IDLE)

    def _show_answer(self, text: str, answer: Trigger.Response | SetBool.Response) -> None:
        self._show_message(f'{text}: {"ok" if answer.success else short(answer.message)}')

    # -- the simulated leader ------------------------------------------------------------------

    def _start_teleop(self) -> None:
        from .operator.keyboard_teleop import KeyboardTeleop  # imports MuJoCo

        self._teleop = KeyboardTeleop()
        self._leader: Floats | None = None
        self._leader_pull = LeaderPull(self.create_publisher)
        self.create_subscription(
            JointState,
            names.JOINT_STATES.format(arm='leader'),
            self._on_leader,
            qos.SENSOR_SUB,
        )
        self.create_timer(TELEOP_PERIOD, self._pull_leader)

    def _on_leader(self, message: JointState) -> None:
        self._leader = pack(message.name, message.position)

    def _pull_leader(self) -> None:
        if self._leader is None or self._teleop is None:
            return
        target = self._teleop.target(time.monotonic(), TELEOP_PERIOD, self._leader)
        self._leader_pull.pull(target)

    def close(self) -> None:
        """Restore the terminal."""
        if self._live is not None:
            self._live.stop()
        if self._terminal is not None:
            self._terminal.restore()
