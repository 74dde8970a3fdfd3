"""The control loop's core: one tick from observation to command and step, without ROS.

A human's action and a policy's take the same way: action, clipped, through the kinematics to a
joint target, sent, stored. What cannot be computed is neither executed nor recorded.
"""

from collections import deque
from dataclasses import dataclass
import threading
import time

import numpy as np

from hilserl_core.contract.steps import Outcome, Source
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import Policy
from so101_node.errors import CellError

from . import reset_motion
from .active_policy import ActivePolicy
from .episode import Episode, Sensed
from .episode_stats import Tally
from .interfaces import Arms, Kinematics, KinematicsLost, Verdict
from .leader_grab import Grab
from .modes import Mode, ModeMachine


@dataclass
class Decision:
    """An action and who decided it."""

    action: np.ndarray
    source: Source
    version: int = 0
    sigma: float = 0.0


_OUTCOMES = {
    'success': Outcome.SUCCESS,
    'failure': Outcome.FAILURE,
    'timeout': Outcome.TIMEOUT,
    'discard': Outcome.DISCARDED,
    'fault': Outcome.NONE,
    'pause': Outcome.NONE,
    'estop': Outcome.NONE,
}
_TERMINAL = ('success', 'failure')
GRABBED = 'the leader was grabbed'
BLIND_TIME = 0.5  # s in a row; then the episode is over
BACK_TIME = 1.0  # s after that until all is taken for back: commands, too, are heard again
MESSAGE_TIME = 5.0  # s that a message stays in the status
IN_EPISODE = (Mode.POLICY, Mode.HUMAN, Mode.EVAL)


class ControlLoop:
    """Everything that one tick decides. `tick` is called by one thread; requests by any."""

    def __init__(
        self,
        schema: TaskSchema,
        role: str,
        kinematics: Kinematics,
        arms: Arms,
        sigma,
        emit,
        log,
        seed: int,
        ready_time: float = 0.0,
        clock=time.monotonic,
    ):
        self.schema, self.role = schema, role
        self.kinematics, self.arms, self.sigma = kinematics, arms, sigma
        self.machine = ModeMachine(log)
        self.tally = Tally()
        self.active_policy = ActivePolicy()
        self.env_steps = 0  # of the run, known to the learner or made here
        self.dropped = 0
        self._message, self._message_at = '', 0.0
        self.sigma_now = 0.0
        self.episode: Episode | None = None
        self.reference: np.ndarray | None = None  # the follower's last joint target
        self._emit, self._clock = emit, clock  # s, steady
        self._log = log
        self._seed, self._rng = seed, np.random.default_rng(seed)
        self._path: reset_motion.ResetPath | None = None
        self._path_since = 0.0
        self._untaken = 0  # commands in a row on the way, of a reset
        self._clutch: tuple[np.ndarray, np.ndarray] | None = None  # leader, reference at entry
        self._guided = None  # waits for the action that the leader showed
        self._grab = Grab(schema.rate)
        self._held_by_grab = False
        self._blind_ticks, self._blind_limit = 0, round(BLIND_TIME * schema.rate)
        self._back_ticks, self._back_limit = 0, round(BACK_TIME * schema.rate)  # down to 0
        self._ready_ticks, self._ready_limit = 0, round(ready_time * schema.rate)
        self._requests: deque[tuple[str, str]] = deque()
        self._lock = threading.Lock()
        self._torque: dict[str, bool] = {}

    @property
    def message(self) -> str:
        """What was last worth saying, for as long as it is news."""
        return self._message if self._clock() - self._message_at < MESSAGE_TIME else ''

    @message.setter
    def message(self, sentence: str) -> None:
        self._message, self._message_at = sentence, self._clock()

    @property
    def policy(self) -> Policy | None:
        """The one that drives."""
        return self.active_policy.policy

    def offer(self, policy: Policy, published: int = 0, env_steps: int = 0) -> None:
        """Hand over a loaded policy, as `ActivePolicy.offer`; it drives from the next tick on."""
        self.active_policy.offer(policy, published, env_steps)

    def _change_policy(self, now: int) -> None:
        self.env_steps = max(self.env_steps, self.active_policy.change(now))

    # -- requests from outside -----------------------------------------------------------------

    def request(self, event: str, cause: str, has_leader: bool = True) -> str:
        """Ask for `event` at the next tick; returns why not, or ''."""
        if event == 'start':
            event = {'train': 'start', 'record': 'start_human', 'eval': 'start_eval'}[self.role]
        if event in ('intervene', 'start_human') and not has_leader:
            return f'{event} needs a leader arm, and none is reporting'
        if event.startswith('start') and self._back_ticks:
            return f'{event} in a moment: what was missing is only just back, or not yet'
        if event == 'release' and self.role == 'record':
            return 'release is not possible while recording: the human drives every step'
        with self._lock:
            if (event, cause) in self._requests:
                return ''
            refusal = self.machine.refusal(event)
            if not refusal:
                self._requests.append((event, cause))
            return refusal

    def look(self, now: int, images, leader) -> None:
        """Begin what takes time of the tick that is about to come.

        now: ns; leader: (6,) rad or None. The tick may still get other images, of which it then
        makes what it needs.
        """
        self._change_policy(now)
        self._guided = None
        if self.machine.mode in (Mode.POLICY, Mode.EVAL) and self.policy is not None:
            self.policy.prepare(images)
        elif self.machine.mode is Mode.HUMAN and leader is not None:
            self._guided = self.kinematics.ask_action(leader, self.reference, *self._clutch)

    # -- the tick ------------------------------------------------------------------------------

    def blind_tick(self, reason: str) -> None:
        """Stand in for `tick` when nothing fresh was seen: command nothing, record nothing."""
        self._guided = None
        self._hold(reason)
        with self._lock:  # an emergency stop does not wait for a camera
            stop = [r for r in self._requests if r[0] == 'estop']
        if stop:
            self._leave_episode_blind()
            self.machine.fire(*stop[0])
            self._requests.clear()
            self._apply_torque()

    def tick(self, sensed: Sensed, verdict: Verdict) -> None:
        """Run one control period on fresh observations."""
        if self.reference is None:
            self.reference = sensed.position.copy()
        self._change_policy(sensed.stamp)
        try:
            if self.machine.mode in IN_EPISODE:
                self._feel(sensed)
                self._episode_tick(sensed, verdict)
            else:
                self._apply_requests(sensed)
                if self.machine.mode is Mode.RESET:
                    self._reset_tick(sensed)
                elif self.machine.mode in IN_EPISODE:
                    self._begin(sensed)
            self._ready_ticks += 1
            if self.machine.mode is Mode.READY:
                if 0 < self._ready_limit <= self._ready_ticks:
                    self.request('start', f'READY for {self._ready_limit / self.schema.rate:g} s')
                # Said again and again: a driver that hears nothing lays the arm down in the end.
                self.arms.command('follower', self.reference)
            if self.machine.row.leader_torque and self._torque.get('leader'):
                self.arms.command('leader', self.reference)
                self._grab.commanded(self.reference)
            self._blind_ticks, self._back_ticks = 0, max(0, self._back_ticks - 1)
        except CellError as error:
            if self.episode is not None or isinstance(error, KinematicsLost):
                self._hold(str(error))
            else:  # the way to the start is barred
                self.message = str(error)
                self._path = None
                self.machine.fire('fault', str(error))
        self._apply_torque()

    def _hold(self, reason: str) -> None:
        """Command nothing, record nothing; give the episode up if it lasts."""
        self.message = reason
        self._blind_ticks += 1
        self._ready_ticks = 0
        if self.episode is not None:
            self.episode.drop()
            if self._blind_ticks >= self._blind_limit:
                self._leave_episode_blind()
                self.machine.fire('fault', reason)
        if self._blind_ticks == self._blind_limit:
            self._path = None  # a reset starts over from where the arm is then
            self._torque.clear()  # a driver that comes back may not know of it
            self._back_ticks = self._back_limit

    def _feel(self, sensed: Sensed) -> None:
        """Take over for a hand that grabs the leader, and back when it has let go."""
        if sensed.leader is None or self.role != 'train':
            return
        if self.machine.mode is Mode.POLICY and self._grab.grabbed(sensed.leader):
            self.request('intervene', GRABBED)
        elif (
            self.machine.mode is Mode.HUMAN
            and self._held_by_grab
            and self._grab.let_go(sensed.leader)
        ):
            self.request('release', 'the leader was let go')

    def _apply_requests(self, sensed: Sensed) -> None:
        with self._lock:
            requests, self._requests = list(self._requests), deque()
        for event, cause in requests:
            if self.machine.fire(event, cause):
                self.message = ''
                self._on_entry(sensed, cause)

    def _on_entry(self, sensed: Sensed, cause: str) -> None:
        self._path = self._guided = None
        self._grab.rest()
        self._held_by_grab = cause == GRABBED
        if self.machine.mode is Mode.HUMAN:
            self._clutch = (sensed.leader.copy(), self.reference.copy())
            self.tally.interventions += self.role != 'record'

    # -- episodes ------------------------------------------------------------------------------

    def _begin(self, sensed: Sensed) -> None:
        self.episode = Episode(self.schema, self._emit, self._clock())
        if self.policy is not None:
            self.policy.reset()
        self.message = ''
        self._act(sensed, self.episode.observe(sensed, self.reference))

    def _episode_tick(self, sensed: Sensed, verdict: Verdict) -> None:
        episode = self.episode
        taken = self.arms.taken()
        if not taken:
            episode.drop()
        state = episode.observe(sensed, self.reference)
        with self._lock:
            requests, self._requests = list(self._requests), deque()
        endings = [r for r in requests if r[0] in _OUTCOMES]
        if verdict.success and not endings:
            endings = [('success', 'the reward source says so')]
        if not endings and episode.index >= self.schema.max_steps:
            endings = [('timeout', f'{self.schema.max_steps} steps')]
        if endings:
            self._finish(sensed, state, verdict, *endings[0])
            return
        episode.follow(verdict.reward)
        for event, cause in requests:
            if self.machine.fire(event, cause):
                self._on_entry(sensed, cause)
        if not taken:
            self.arms.command('follower', self.reference)
            raise CellError(
                'the driver did not take the last command within a period; it is sent '
                'again, and its step is not recorded'
            )
        self._act(sensed, state)

    def _act(self, sensed: Sensed, state: np.ndarray) -> None:
        decision = self._decide(sensed, state)
        target = self.kinematics.joint_target(sensed.position, self.reference, decision.action)
        self.arms.command('follower', target)
        self.reference = np.asarray(target, np.float64)
        self.episode.act(
            sensed, state, decision.action, decision.source, decision.version, decision.sigma
        )
        self.env_steps += 1

    def _decide(self, sensed: Sensed, state: np.ndarray) -> Decision:
        if self.machine.mode is Mode.HUMAN:
            if sensed.leader is None:
                raise CellError('the leader arm stopped reporting; the follower holds')
            guided, self._guided = self._guided, None
            action = (
                guided()
                if guided
                else self.kinematics.action(sensed.leader, self.reference, *self._clutch)
            )
            return Decision(np.clip(action, -1.0, 1.0).astype(np.float32), Source.HUMAN)
        self.sigma_now = 0.0 if self.machine.mode is Mode.EVAL else self.sigma(self.env_steps)
        action = self.policy.act(list(sensed.images), state, self.sigma_now, self._rng)
        return Decision(action, Source.POLICY, self.policy.version, self.sigma_now)

    def _finish(self, sensed: Sensed, state, verdict: Verdict, event: str, cause: str) -> None:
        episode, outcome = self.episode, _OUTCOMES[event]
        # An outcome that somebody marked is a reward; silence is none.
        reward = {'success': 1.0, 'failure': 0.0}.get(event, verdict.reward)
        episode.follow(reward, terminated=event in _TERMINAL, truncated=event not in _TERMINAL)
        episode.end(sensed, state, outcome)
        self.tally.add(episode, outcome, self._clock() - episode.started)
        self.dropped += episode.dropped
        self.episode = None
        self.machine.fire(event, cause)
        self.message = f'{event}: {cause}'

    def _leave_episode_blind(self) -> None:
        if self.episode is not None:
            self.episode.abort()
            self.dropped += self.episode.dropped
            self.episode = None

    # -- reset and torque ----------------------------------------------------------------------

    def _reset_tick(self, sensed: Sensed) -> None:
        if self._path is None:
            # The path starts where the arm is, not where it was last told to be.
            self.reference = sensed.position.copy()
            # The start follows from the episode's number alone: two evaluations have the same.
            self._path = reset_motion.plan(
                self.schema,
                sensed.position,
                sensed.tool,
                self.kinematics.solve,
                np.random.default_rng((self._seed, len(self.tally.results))),
            )
            self._path_since = self._clock()
        if not self._torque.get('follower'):
            return  # switched on at the end of this tick; its goal is then where it is
        self._untaken = 0 if self.arms.taken() else self._untaken + 1
        if self._untaken > self.schema.rate:
            self.message = (
                'the driver takes no commands; its log and /diagnostics say why, and '
                'follower/clear_faults clears a fault'
            )
        self.reference = self._path.next(sensed.position)
        self.arms.command('follower', self.reference)
        if self._path.arrived:
            self._path = None
            self._ready_ticks = 0
            self.machine.fire('arrived', 'at the start pose')
        elif self._clock() - self._path_since > reset_motion.TIMEOUT:
            worst = int(np.abs(sensed.position - self._path.goal)[:5].argmax())
            raise CellError(
                f'reset: joint {worst + 1} is {abs(sensed.position - self._path.goal)[worst]:.2f} '
                f'rad from the start pose after {reset_motion.TIMEOUT:.0f} s (limit '
                f'{reset_motion.TOLERANCE}); free the arm and start again'
            )

    def _apply_torque(self) -> None:
        wanted = {'leader': self.machine.row.leader_torque}
        if self.machine.mode is not Mode.IDLE:
            wanted['follower'] = True
        for arm, on in wanted.items():
            if self._torque.get(arm) != on:
                self.arms.set_torque(arm, on)
                self._torque[arm] = on

    def close(self) -> None:
        """End what is under way; the last observation becomes the episode's final one."""
        self._leave_episode_blind()
