"""The control loop's core: one tick from observation to command and step, without ROS.

The actions of human and policy are handled alike: the action is clipped, the kinematics turns it
into a joint target, the target is sent, and the step is stored. If a computation fails, nothing is
executed and nothing is stored.
"""

import time
from typing import Any

import numpy as np

from hilserl_core.contract.steps import Outcome
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import Policy
from so101_node.errors import CellError

from .active_policy import ActivePolicy
from .decision import Decider
from .episode import Episode, Sensed
from .episode_stats import EpisodeStats
from .interfaces import Arms, Kinematics, KinematicsLost, RewardSignal
from .modes import Mode, ModeMachine
from .requests import Requests
from .reset_motion import ResetMotion
from .take_over import TakeOver

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
UNOBSERVED_TIME = 0.5  # s without observations after which the episode ends
RECOVERY_TIME = 1.0  # s with observations before a start: a restarted driver receives late
MESSAGE_TIME = 5.0  # s that a message stays in the status
IN_EPISODE = (Mode.POLICY, Mode.HUMAN, Mode.EVAL)


class ControlLoop:
    """Decides everything of one tick. One thread calls `tick`; any thread calls `request`."""

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
        self.kinematics, self.arms = kinematics, arms
        self.machine = ModeMachine(log)
        self.stats = EpisodeStats()
        self.active_policy = ActivePolicy()
        self.env_steps = 0  # steps of the run: received by the learner or made here
        self.dropped = 0
        self._message, self._message_at = '', 0.0
        self.episode: Episode | None = None
        self.reference: Any = None  # (6,) rad, the last joint target of the follower
        self._emit, self._clock = emit, clock  # steady clock, s
        self._reset = ResetMotion(schema, kinematics, arms, seed, clock)
        self._take_over = TakeOver(kinematics, schema.rate)
        self._decider = Decider(self.active_policy, self._take_over, sigma, seed)
        self._unobserved_ticks, self._unobserved_limit = 0, round(UNOBSERVED_TIME * schema.rate)
        self._recovery_ticks, self._recovery_limit = (
            0,
            round(RECOVERY_TIME * schema.rate),
        )  # counts down to 0
        self._ready_ticks, self._ready_limit = 0, round(ready_time * schema.rate)
        self._requests = Requests()
        self._torque: dict[str, bool] = {}

    @property
    def message(self) -> str:
        """The last message for the operator, for MESSAGE_TIME; then ''."""
        return self._message if self._clock() - self._message_at < MESSAGE_TIME else ''

    @message.setter
    def message(self, sentence: str) -> None:
        self._message, self._message_at = sentence, self._clock()

    @property
    def policy(self) -> Policy | None:
        """The active policy."""
        return self.active_policy.policy

    @property
    def sigma(self) -> float:
        """Exploration noise of the policy's last action."""
        return self._decider.sigma

    def offer(self, policy: Policy, published: int = 0, env_steps: int = 0) -> None:
        """Hand over a loaded policy (see `ActivePolicy.offer`) for the next tick."""
        self.active_policy.offer(policy, published, env_steps)

    def _change_policy(self, now: int) -> None:
        self.env_steps = max(self.env_steps, self.active_policy.change(now))

    # -- requests from outside -----------------------------------------------------------------

    def request(self, event: str, cause: str, has_leader: bool = True) -> str:
        """Ask for `event` at the next tick; return why it is refused, or ''."""
        if event == 'start':
            event = {'train': 'start', 'record': 'start_human', 'eval': 'start_eval'}[self.role]
        if event in ('intervene', 'start_human') and not has_leader:
            return f'{event} needs a leader arm, and none reports joint states'
        if event.startswith('start') and self._recovery_ticks:
            return (
                f'{event} refused: inputs are missing or recovered less than '
                f'{RECOVERY_TIME:g} s ago; try again'
            )
        if event == 'release' and self.role == 'record':
            return 'release is not possible while recording: the human drives every step'
        return self._requests.add(event, cause, self.machine.refusal)

    def prepare(self, now: int, images, leader) -> None:
        """Start the slow computations of the next tick.

        now: ns of the ROS clock; leader: (6,) rad or None. If the tick receives newer images, it
        computes them again.
        """
        self._change_policy(now)
        self._take_over.forget_prepared()
        if self.machine.mode in (Mode.POLICY, Mode.EVAL) and self.policy is not None:
            self.policy.prepare(images)
        elif self.machine.mode is Mode.HUMAN and leader is not None:
            self._take_over.prepare(leader, self.reference)

    # -- the tick ------------------------------------------------------------------------------

    def tick_without_observations(self, reason: str) -> None:
        """Run instead of `tick` if an observation is missing: command nothing, record nothing."""
        self._take_over.forget_prepared()
        self._hold(reason)
        stop = self._requests.take_if('estop')  # an emergency stop must not wait for a camera
        if stop:
            self._abort_episode()
            self.machine.fire(*stop)
            self._apply_torque()

    def tick(self, sensed: Sensed, reward_signal: RewardSignal) -> None:
        """Run one control period on new observations."""
        if self.reference is None:
            self.reference = sensed.position.copy()
        self._change_policy(sensed.stamp)
        try:
            if self.machine.mode in IN_EPISODE:
                self._poll_leader_grab(sensed)
                self._episode_tick(sensed, reward_signal)
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
                # Send it at each tick: without commands the driver moves the arm to its rest pose.
                self.arms.command('follower', self.reference)
            if self.machine.row.leader_torque and self._torque.get('leader'):
                self.arms.command('leader', self.reference)
                self._take_over.note_leader_command(self.reference)
            self._unobserved_ticks, self._recovery_ticks = 0, max(0, self._recovery_ticks - 1)
        except CellError as error:
            if self.episode is not None or isinstance(error, KinematicsLost):
                self._hold(str(error))
            else:  # the reset cannot go on
                self.message = str(error)
                self._reset.replan()
                self.machine.fire('fault', str(error))
        self._apply_torque()

    def _hold(self, reason: str) -> None:
        """Command nothing, record nothing; end the episode after UNOBSERVED_TIME."""
        self.message = reason
        self._unobserved_ticks += 1
        self._ready_ticks = 0
        if self.episode is not None:
            self.episode.drop()
            if self._unobserved_ticks >= self._unobserved_limit:
                self._abort_episode()
                self.machine.fire('fault', reason)
        if self._unobserved_ticks == self._unobserved_limit:
            self._reset.replan()
            self._torque.clear()  # a restarted driver does not know the requested torque
            self._recovery_ticks = self._recovery_limit

    def _poll_leader_grab(self, sensed: Sensed) -> None:
        """Start an intervention when the leader is grabbed; end it when it is released."""
        if sensed.leader is None or self.role != 'train':
            return
        request = self._take_over.poll(self.machine.mode, sensed.leader)
        if request:
            self.request(*request)

    def _apply_requests(self, sensed: Sensed) -> None:
        for event, cause in self._requests.take_all():
            if self.machine.fire(event, cause):
                self.message = ''
                self._on_entry(sensed, cause)

    def _on_entry(self, sensed: Sensed, cause: str) -> None:
        self._reset.replan()
        self._take_over.mode_changed(cause)
        if self.machine.mode is Mode.HUMAN:
            self._take_over.engage(sensed.leader, self.reference)
            self.stats.interventions += self.role != 'record'

    # -- episodes ------------------------------------------------------------------------------

    def _begin(self, sensed: Sensed) -> None:
        self.episode = Episode(self.schema, self._emit, self._clock())
        if self.policy is not None:
            self.policy.reset()
        self.message = ''
        self._act(sensed, self.episode.observe(sensed, self.reference))

    def _episode_tick(self, sensed: Sensed, reward_signal: RewardSignal) -> None:
        episode = self.episode
        assert episode is not None  # the caller checks the mode
        accepted = self.arms.command_accepted()
        if not accepted:
            episode.drop()
        state = episode.observe(sensed, self.reference)
        requests = self._requests.take_all()
        endings = [r for r in requests if r[0] in _OUTCOMES]
        if reward_signal.success and not endings:
            endings = [('success', 'the reward source reports success')]
        if not endings and episode.index >= self.schema.max_steps:
            endings = [('timeout', f'{self.schema.max_steps} steps')]
        if endings:
            self._finish(sensed, state, reward_signal, *endings[0])
            return
        episode.follow(reward_signal.reward)
        for event, cause in requests:
            if self.machine.fire(event, cause):
                self._on_entry(sensed, cause)
        if not accepted:
            self.arms.command('follower', self.reference)
            raise CellError(
                'the driver did not accept the last command within a period; the command is '
                'sent again and its step is not recorded'
            )
        self._act(sensed, state)

    def _act(self, sensed: Sensed, state: np.ndarray) -> None:
        decision = self._decider.decide(
            self.machine.mode, sensed, state, self.reference, self.env_steps
        )
        target = self.kinematics.joint_target(sensed.position, self.reference, decision.action)
        self.arms.command('follower', target)
        self.reference = np.asarray(target, np.float64)
        assert self.episode is not None
        self.episode.act(
            sensed, state, decision.action, decision.source, decision.version, decision.sigma
        )
        self.env_steps += 1

    def _finish(
        self, sensed: Sensed, state, reward_signal: RewardSignal, event: str, cause: str
    ) -> None:
        episode, outcome = self.episode, _OUTCOMES[event]
        assert episode is not None
        # A marked outcome sets the reward; without a mark the reward signal sets it.
        reward = {'success': 1.0, 'failure': 0.0}.get(event, reward_signal.reward)
        episode.follow(reward, terminated=event in _TERMINAL, truncated=event not in _TERMINAL)
        episode.end(sensed, state, outcome)
        self.stats.add(episode, outcome, self._clock() - episode.started)
        self.dropped += episode.dropped
        self.episode = None
        self.machine.fire(event, cause)
        self.message = f'{event}: {cause}'

    def _abort_episode(self) -> None:
        if self.episode is not None:
            self.episode.abort()
            self.dropped += self.episode.dropped
            self.episode = None

    # -- reset and torque ----------------------------------------------------------------------

    def _reset_tick(self, sensed: Sensed) -> None:
        if not self._reset.is_planned:
            # The path starts at the measured pose, not at the last reference.
            self.reference = sensed.position.copy()
            self._reset.plan(sensed.position, sensed.tool, len(self.stats.results))
        if not self._torque.get('follower'):
            return  # torque is switched on at the end of this tick, at the measured pose
        if warning := self._reset.warning():
            self.message = warning
        self.reference = self._reset.next(sensed.position)
        self.arms.command('follower', self.reference)
        if self._reset.has_arrived(sensed.position):
            self._ready_ticks = 0
            self.machine.fire('arrived', 'at the start pose')

    def _apply_torque(self) -> None:
        wanted = {'leader': self.machine.row.leader_torque}
        if self.machine.mode is not Mode.IDLE:
            wanted['follower'] = True
        for arm, on in wanted.items():
            if self._torque.get(arm) != on:
                self.arms.set_torque(arm, on)
                self._torque[arm] = on

    def close(self) -> None:
        """End a running episode; its last observation becomes the final one."""
        self._abort_episode()
