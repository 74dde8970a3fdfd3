"""The control loop's core: one tick from observation to command and step, without ROS.

Here the requests, the mode and missing observations decide what a tick does. What it then does is
in `episode_runner`, `reset_motion` and `take_over`.
"""

from collections.abc import Callable
import time

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.steps import StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError
from so101_node.modes import Mode

from .active_policy import ActivePolicy, DrivingPolicy
from .arm_commands import ArmCommands
from .decision import Decider
from .driver_link import DriverLink
from .episode import Episode, Sensed
from .episode_runner import TERMINAL, EpisodeRunner
from .episode_stats import EpisodeStats
from .interfaces import Arms, Joints, Kinematics, KinematicsLost, RewardSignal
from .modes import ModeMachine
from .observation_gap import ObservationGap
from .requests import Requests
from .reset_motion import ResetMotion
from .take_over import TakeOver

MESSAGE_TIME = 5.0  # s that a message stays in the status
IN_EPISODE = (Mode.POLICY, Mode.HUMAN, Mode.EVAL)


class ControlLoop:
    """Decides everything of one tick. One thread calls `tick`; any thread calls `request`.

    patience: factor of the times that a busy computer exceeds; 1 for a real cell.
    """

    def __init__(
        self,
        schema: TaskSchema,
        role: str,
        kinematics: Kinematics,
        arms: Arms,
        sigma: Callable[[int], float],
        emit: Callable[[StepRecord], object],
        log: Callable[[str], object],
        seed: int,
        ready_time: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        identity: tuple[str, str] = ('', ''),
        patience: float = 1.0,
    ):
        self.schema, self.role = schema, role
        self.machine = ModeMachine(log)
        self.arms = ArmCommands(arms)
        node, run_id = identity
        self.driver = DriverLink(
            arms, node, run_id, lambda cause: self.request('estop', cause), patience
        )
        self.active_policy = ActivePolicy()
        self.ended_by = ''  # who or what ended the last episode
        self.env_steps = 0  # steps of the run: received by the learner or made here
        self._clock = clock  # steady, s
        self._message, self._message_at = '', 0.0
        self._reset = ResetMotion(schema, kinematics, self.arms, seed, clock, patience)
        self._take_over = TakeOver(kinematics, schema.rate)
        self._decider = Decider(self.active_policy, self._take_over, sigma, seed)
        self._episodes = EpisodeRunner(schema, kinematics, self.arms, self._decider, emit, clock)
        self._gap = ObservationGap(schema.rate, clock, patience)
        self._requests = Requests(role, self.machine, self._gap, schema.rate, clock, log, patience)
        self._ready_ticks, self._ready_limit = 0, round(ready_time * schema.rate)

    @property
    def stats(self) -> EpisodeStats:
        """The finished episodes."""
        return self._episodes.stats

    @stats.setter
    def stats(self, stats: EpisodeStats) -> None:
        self._episodes.stats = stats

    @property
    def episode(self) -> Episode | None:
        """The running episode."""
        return self._episodes.running

    @property
    def dropped(self) -> int:
        """The dropped steps of all episodes that have ended."""
        return self._episodes.dropped

    @property
    def message(self) -> str:
        """The last message for the operator, for MESSAGE_TIME; then ''."""
        own = self._message if self._clock() - self._message_at < MESSAGE_TIME else ''
        return '; '.join(filter(None, (own, self._requests.expired)))

    @message.setter
    def message(self, sentence: str) -> None:
        self._message, self._message_at = sentence, self._clock()

    @property
    def policy(self) -> DrivingPolicy | None:
        """The active policy."""
        return self.active_policy.policy

    @property
    def sigma(self) -> float:
        """Exploration noise of the policy's last action."""
        return self._decider.sigma

    def offer(self, policy: DrivingPolicy, published: int = 0, env_steps: int = 0) -> None:
        """Hand over a loaded policy (see `ActivePolicy.offer`) for the next tick."""
        self.active_policy.offer(policy, published, env_steps)

    def _change_policy(self, now: int) -> None:
        self.env_steps = max(self.env_steps, self.active_policy.change(now))

    # -- requests from outside -----------------------------------------------------------------

    def request(self, event: str, cause: str, has_leader: bool = True) -> str:
        """Ask for `event` at the next tick; return why it is refused, or ''.

        A stop ('estop') is in force when this returns: no command leaves from then on.
        """
        if event == 'estop':
            self.arms.stop()
            self._requests.stop(cause)
            return ''
        if event == 'estop_reset':
            refusal = self.driver.reset_refusal(self._clock())
            if refusal:
                return refusal
        return self._requests.add(event, cause, has_leader)

    def prepare(
        self,
        now: int,
        images: list[npt.NDArray[np.uint8]],
        leader: Joints | None,
    ) -> None:
        """Start the slow computations of the next tick.

        now: ns of the ROS clock; leader: (6,) rad or None. If the tick receives newer images, it
        computes them again.
        """
        self._change_policy(now)
        self._take_over.forget_prepared()
        if self.machine.mode in (Mode.POLICY, Mode.EVAL) and self.policy is not None:
            self.policy.prepare(images)
        elif self.machine.mode is Mode.HUMAN and leader is not None:
            self._take_over.prepare(leader, self.arms.reference)

    # -- the tick ------------------------------------------------------------------------------

    def tick_without_observations(self, reason: str, ends_episode: bool = False) -> None:
        """Run instead of `tick` without observations: command and record nothing."""
        self._take_over.forget_prepared()
        self._serve_stop()
        self._requests.expire()
        self._hold(reason, ends_episode)
        if pause := self._requests.take_if('pause'):  # it must not wait for a camera
            self._episodes.abort()
            self.machine.fire(*pause)

    def tick(self, sensed: Sensed, reward_signal: RewardSignal) -> None:
        """Run one control period on new observations."""
        self._serve_stop()
        self._requests.expire()
        self.arms.measured(sensed.position)
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
                    self._start_after_ready_time(sensed.leader is not None)
                # Send it at each tick: without commands the driver moves the arm to its rest pose.
                self.arms.repeat()
            if self.machine.row.leader_torque and self.arms.has_torque('leader'):
                self.arms.mirror()
                self._take_over.note_leader_command(self.arms.reference)
            if self._message == self._gap.reason:  # it is over
                self._message = ''
            self._gap.note_observed()
        except CellError as error:
            if self.episode is not None or isinstance(error, KinematicsLost):
                self._hold(str(error))
            else:  # the reset cannot go on
                self.message = str(error)
                self._reset.replan()
                self.machine.fire('fault', str(error))
        self.arms.request_torque(self.machine.mode)

    def _serve_stop(self) -> None:
        """Enter ESTOP if a stop was requested here or at the driver. It outranks all requests."""
        self.driver.update(self.machine.mode, self._clock())
        cause = self._requests.take_stop()
        if cause is not None and self.machine.mode is not Mode.ESTOP:
            self._episodes.abort()
            self._reset.replan()
            self.machine.fire('estop', cause)
            self.message = f'emergency stop: {cause}'

    def _hold(self, reason: str, ends_episode: bool = False) -> None:
        """Command nothing, record nothing; a long gap ends the episode."""
        self.message = reason
        self._ready_ticks = 0
        became_long = self._gap.note_missing(reason)
        if self.episode is not None:
            self._episodes.drop()
            if self._gap.is_long or ends_episode:
                self._episodes.abort()
                self.machine.fire('fault', reason)
        if became_long:
            self._reset.replan()
            self.arms.forget_torque()

    def _poll_leader_grab(self, sensed: Sensed) -> None:
        """Start an intervention when the leader is grabbed; end it when it is released."""
        if sensed.leader is None or self.role != 'train':
            return
        if request := self._take_over.poll(self.machine.mode, sensed.leader):
            self.request(*request)

    def _start_after_ready_time(self, has_leader: bool) -> None:
        cause = f'READY for {self._ready_limit / self.schema.rate:g} s'
        if refusal := self.request('start', cause, has_leader):
            self.message = refusal

    def _apply_requests(self, sensed: Sensed) -> None:
        for event, cause in self._requests.take_all():
            if self.machine.fire(event, cause):
                self.message = cause if event == 'fault' else ''
                if event == 'estop_reset':
                    self.arms.end_stop()
                self._on_entry(sensed, cause)

    def _on_entry(self, sensed: Sensed, cause: str) -> None:
        self._reset.replan()
        self._take_over.mode_changed(cause)
        if self.machine.mode is Mode.HUMAN:
            assert sensed.leader is not None  # without a leader the request is refused
            self._take_over.engage(sensed.leader, self.arms.reference)
            self.stats.interventions += self.role != 'record'

    # -- one tick of an episode or of a reset --------------------------------------------------

    def _begin(self, sensed: Sensed) -> None:
        self._episodes.begin()
        if self.policy is not None:
            self.policy.reset()
        self.message = ''
        self._act(sensed, self._episodes.observe(sensed))

    def _episode_tick(self, sensed: Sensed, reward_signal: RewardSignal) -> None:
        accepted = self.arms.accepted()
        if not accepted:
            self._episodes.drop()
        state = self._episodes.observe(sensed)
        requests = self._requests.take_all()
        ending = self._episodes.ending(requests, reward_signal)
        if ending is not None:
            event, cause = ending
            self.ended_by = cause
            self._episodes.finish(sensed, state, reward_signal, event)
            self.machine.fire(event, cause)
            self.message = f'{event}: {cause}'
            return
        self._episodes.follow(reward_signal)
        for event, cause in requests:
            if event not in TERMINAL and self.machine.fire(event, cause):
                self._on_entry(sensed, cause)
        if not accepted:
            self.arms.repeat()
            raise CellError(
                'the driver did not accept the last command within a period; the command is '
                'sent again and its step is not recorded'
            )
        self._act(sensed, state)

    def _act(self, sensed: Sensed, state: npt.NDArray[np.float32]) -> None:
        self._episodes.act(self.machine.mode, sensed, state, self.env_steps)
        self.env_steps += 1

    def _reset_tick(self, sensed: Sensed) -> None:
        arrived = self._reset.tick(sensed, len(self.stats.results))
        if self._reset.warning:
            self.message = self._reset.warning
        if arrived:
            self._ready_ticks = 0
            self.machine.fire('arrived', 'at the start pose')

    def close(self) -> None:
        """End a running episode; its last observation becomes the final one."""
        self._episodes.abort()
