"""The actor node: parameters and messages in, one `ControlLoop.tick` per period, messages out."""

from pathlib import Path
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
from std_srvs.srv import SetBool, Trigger
import torch

from hilserl_core.bags.cdr import step_to_cdr, task_to_cdr
from so101_interfaces.msg import ActorStatus, LearnerStatus, Step, Task, Weights
from so101_interfaces.srv import LabelEpisode
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.ros_node import CellNode

from .evaluation.runner import EvaluationRunner
from .loop.control import ControlLoop
from .loop.episode_stats import LoopTiming
from .loop.modes import Mode
from .loop.periodic_timer import PeriodicTimer
from .loop.preflight import Check, Preflight, PreflightInputs, table
from .options import ActorOptions
from .ros.clients import ServiceKinematics, TopicArms
from .ros.last_episode import LastEpisode
from .ros.learner_liveness import LearnerLiveness
from .ros.sensors import Sensors
from .ros.status_message import actor_status
from .ros.weights_subscriber import WeightsSubscriber

PREFLIGHT_PERIOD = 0.5  # s between two preflights in IDLE
REQUIRED_PREFLIGHTS = 3  # that must pass in a row: discovery of a second cell takes time
PREFLIGHT_TIME = 15.0  # s that `./cell preflight` waits for a cell to start


class ActorNode(CellNode):
    """`actor`: the control loop, its modes and episodes."""

    URGENT = True

    OPTIONS = ActorOptions
    options: ActorOptions

    def __init__(self):
        super().__init__('actor')
        torch.set_num_threads(1)
        self.schema = self.options.schema()
        self.role = self.options.role
        sigma = self.options.schedule()
        self.kinematics = ServiceKinematics(self, self.schema, self.options.kinematics_timeout)
        self.arms = TopicArms(self)
        self.sensors = Sensors(
            self,
            self.schema,
            self.kinematics,
            self.arms,
            self.options.max_image_age,
            self.options.max_state_age,
            self.options.reward == 'topic',
        )
        self._steps: list = []  # of this tick; published after its command was sent
        self._tick_ms = 0.0
        self.loop = ControlLoop(
            self.schema,
            self.role,
            self.kinematics,
            self.arms,
            sigma,
            self._steps.append,
            self.get_logger().info,
            self.options.seed,
            self.options.ready_time,
        )
        self.preflight = Preflight(
            PreflightInputs(
                self.schema,
                self.kinematics,
                self.sensors,
                lambda: self.loop.policy,
                lambda: self.count_publishers(names.JOINT_STATES.format(arm='follower')),
                lambda: self.count_subscribers(names.STEP),
            ),
            self.role,
            self.options.has_leader,
            self.options.reward == 'topic',
        )
        self._problems = [Check('preflight', 'the first preflight is still running')]
        self._preflight_due, self._passed_preflights, self._second_cell = 0.0, 0, ''
        self._preflight_until = time.monotonic() + PREFLIGHT_TIME
        self.timing = LoopTiming(1.0 / self.schema.rate)
        self._learner = LearnerLiveness()
        self._last_episode = LastEpisode(
            self.schema,
            self.loop,
            self.create_client(LabelEpisode, names.LEARNER_LABEL),
            self.get_logger(),
            self.options.episodes if self.role == 'record' else None,
        )
        self._done = threading.Event()
        if self.role == 'train':
            self.get_logger().info(f'sigma {sigma} (start:={self.options.start})')
        self._evaluation = self._make_evaluation() if self.role == 'eval' else None
        self._make_topics()
        self.guard(self._spin_loop)

    def _make_topics(self) -> None:
        self.create_subscription(LearnerStatus, names.LEARNER_STATUS, self._on_learner, qos.STATUS)
        self.create_subscription(
            DiagnosticArray, names.DIAGNOSTICS, self._on_diagnostics, qos.STATUS
        )
        self.create_service(Trigger, names.DISCARD_LAST, self._last_episode.on_discard)
        self._weights = self._subscribe_to_weights() if self.role != 'eval' else None
        self._step_publisher = self.create_publisher(Step, names.STEP, qos.STEPS)
        self._status_publisher = self.create_publisher(ActorStatus, names.ACTOR_STATUS, qos.STATUS)
        self._task_publisher = self.create_publisher(Task, names.TASK, qos.LATCHED)
        self._task_publisher.publish(task_to_cdr(self.schema))
        for name, event in (
            (names.START, 'start'),
            (names.SUCCESS, 'success'),
            (names.FAILURE, 'failure'),
            (names.DISCARD, 'discard'),
            (names.ESTOP, 'estop'),
            (names.ESTOP_RESET, 'estop_reset'),
        ):
            self.create_service(
                Trigger,
                name,
                lambda _, r, e=event: self._answer(r, e),  # type: ignore[misc]
            )
        self.create_service(
            SetBool,
            names.INTERVENE,
            lambda q, r: self._answer(r, 'intervene' if q.data else 'release'),
        )
        self.create_service(
            SetBool, names.PAUSE, lambda q, r: self._answer(r, 'pause' if q.data else 'resume')
        )

    def _subscribe_to_weights(self) -> WeightsSubscriber:
        weights = WeightsSubscriber(
            self.schema,
            self.loop,
            self.get_clock().now().nanoseconds,
            self.get_logger().error,
        )
        self.create_subscription(Weights, names.WEIGHTS, weights.on_message, qos.LATCHED, raw=True)
        self.guard(weights.load)
        return weights

    # -- messages in ---------------------------------------------------------------------------

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name = names.of_cell(self.get_namespace(), status.name)
            self.preflight.note_diagnostic(name, ord(status.level), status.message)

    def _on_learner(self, _) -> None:
        self._learner.received(time.monotonic(), self.loop.env_steps)

    def _answer(self, response, event: str):
        if self.role == 'preflight':
            refusal = 'this is a preflight; the arm does not move'
        elif event == 'start' and self.loop.machine.mode is Mode.IDLE:
            refusal = (
                'not ready: ' + '; '.join(c.problem for c in self._problems)
                if self._problems
                else self.loop.request('preflight', 'the operator')
            )
        else:
            refusal = self.loop.request(event, 'the operator', 'leader' in self.sensors.joints)
        response.success, response.message = not refusal, refusal
        return response

    # -- evaluation ----------------------------------------------------------------------------

    def _make_evaluation(self) -> EvaluationRunner:
        files, directories = (
            [Path(name) for name in names_]
            for names_ in (self.options.policies, self.options.results)
        )
        evaluation = EvaluationRunner(
            files,
            directories,
            self.schema,
            self.options.episodes,
            self.options.keep,
            {'world': self.options.world, 'seed': self.options.seed},
            self.get_logger().info,
            self.guard,
        )
        self._offer_policy(evaluation)
        return evaluation

    def _offer_policy(self, evaluation: EvaluationRunner) -> None:
        if self.loop.stats is not evaluation.stats:
            self.loop.stats = evaluation.stats
            self.loop.offer(evaluation.policy)

    # -- the loop ------------------------------------------------------------------------------

    def _spin_loop(self) -> None:
        torch.set_num_threads(1)
        timer = PeriodicTimer(1.0 / self.schema.rate)
        while not self._done.is_set():
            now = timer.wait(self._prepare_tick, self.arms.sent_at)
            stamp = self.get_clock().now().to_msg()
            self.timing.tick(now)
            self._tick()
            self._tick_ms = (time.monotonic() - now) * 1e3
            self._publish_steps()
            self._publish_status(stamp)
            if self._weights:
                self._weights.acted.set()
            if self._is_done():
                self.stop_event.set()
                return

    def _prepare_tick(self) -> None:
        """Start the slow computations of the next tick."""
        now = self.get_clock().now().nanoseconds
        self.sensors.request_tool()
        try:
            self.loop.prepare(now, self.sensors.images(), self.sensors.leader(now))
        except CellError:
            pass  # the tick reports it

    def _is_done(self) -> bool:
        if self._evaluation:
            more = self._evaluation.advance()
            self._offer_policy(self._evaluation)
            return not more
        limit = self.options.episodes
        return bool(limit) and len(self.loop.stats.results) >= limit

    def _tick(self) -> None:
        if time.monotonic() > self._preflight_due:
            self._preflight_due = time.monotonic() + PREFLIGHT_PERIOD
            self._second_cell = self.preflight.second_cell_problem()
            if self.loop.machine.mode is Mode.IDLE:
                self._run_preflight()
        try:
            if self._second_cell:
                raise CellError(self._second_cell)
            sensed = self.sensors.poll()
        except CellError as error:
            self.loop.tick_without_observations(str(error))
            return
        self.loop.tick(sensed, self.sensors.reward_signal())

    def _run_preflight(self) -> None:
        """Run the preflight in IDLE; leave IDLE if it passes repeatedly and auto_start is set."""
        checks = self.preflight.run()
        self._problems = [c for c in checks if c.problem]
        self._passed_preflights = 0 if self._problems else self._passed_preflights + 1
        good = self._passed_preflights >= REQUIRED_PREFLIGHTS
        if self._problems:
            self.loop.message = 'not ready: ' + '; '.join(c.problem for c in self._problems)
        if self.role == 'preflight':
            if good or time.monotonic() > self._preflight_until:
                print(table(checks), flush=True)
                if not good:
                    self.error = f'{len(self._problems)} preflight checks failed'
                self.stop_event.set()
        elif good and self.options.auto_start:
            self.loop.request('preflight', 'the preflight passed')

    # -- messages out --------------------------------------------------------------------------

    def _publish_steps(self) -> None:
        while self._steps:
            record = self._steps.pop(0)
            self._step_publisher.publish(step_to_cdr(record))
            self._last_episode.note_step(record)
            if self._evaluation:
                self._evaluation.record_step(record)

    def _publish_status(self, stamp) -> None:
        loop, now = self.loop, time.monotonic()
        learner = self._learner.sentence(now, loop.env_steps)
        message = '; '.join(filter(None, (learner, self._last_episode.news, loop.message)))
        status = actor_status(loop, self.timing, now, message)
        status.observation_age_ms = self.sensors.image_age * 1e3
        status.tick_ms = self._tick_ms
        status.limited = ', '.join(self.kinematics.limited)
        status.header.stamp = stamp
        self._status_publisher.publish(status)

    def close(self) -> None:
        """Stop the loop, publish its last steps, log the result of an evaluation."""
        self._done.set()
        time.sleep(1.5 / self.schema.rate)
        self.loop.close()
        self._publish_steps()
        if self._evaluation and not self._evaluation.finished:
            self._evaluation.close()
