"""The actor node: parameters and messages in, one `ControlLoop.tick` per period, messages out."""

from dataclasses import replace
from functools import partial
from pathlib import Path
import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from std_srvs.srv import SetBool, Trigger
import torch

from hilserl_core.bags.cdr import step_to_cdr, task_to_cdr
from hilserl_core.contract.steps import StepRecord
from so101_interfaces.msg import (
    ActorStatus,
    DriverStatus,
    LearnerStatus,
    LinkStatus,
    Step,
    Task,
    Weights,
)
from so101_interfaces.srv import LabelEpisode
from so101_node import names, qos
from so101_node.graph import publisher_names, publishers
from so101_node.modes import Mode
from so101_node.refusals import short
from so101_node.ros_node import PRIORITY, CellNode
from so101_node.run_id import RunFilter, new_run_id
from so101_node.sign_of_life import PASSED, give

from .evaluation.runner import EvaluationRunner
from .loop.control import ControlLoop
from .loop.driver_link import DriverState
from .loop.preflight import Preflight, PreflightInputs, limits_problem, table
from .loop.readiness import Readiness
from .loop.slowness import Slowness
from .loop.target_policy import TargetPolicy
from .options import ActorOptions
from .ros.last_episode import LastEpisode
from .ros.learner_liveness import LearnerLiveness
from .ros.loop_thread import LoopThread
from .ros.operator_services import SWITCHES, TRIGGERS, OperatorServices
from .ros.status_message import actor_status
from .ros.weights_subscriber import WeightsSubscriber, WeightsTopic
from .ros.wiring import (
    make_arms,
    make_kinematics,
    make_other_policy,
    make_publisher_check,
    make_sensors,
)


class ActorNode(CellNode):
    """`actor`: the control loop, its modes and episodes."""

    URGENT = PRIORITY

    OPTIONS = ActorOptions
    options: ActorOptions

    def __init__(self) -> None:
        super().__init__('actor')
        torch.set_num_threads(1)
        self.schema = self.options.schema()
        self.role = self.options.role
        self.run = RunFilter(self.options.run_id)  # of steps, weights and rewards
        sigma = self.options.schedule()
        # for the driver; a cell without a learner does not know the learner's run yet
        self.run_id = self.options.run_id or new_run_id()
        self.kinematics = make_kinematics(self, self.schema, self.options)
        self.arms = make_arms(self, self.run_id)
        self.sensors = make_sensors(
            self, self.options, self.schema, self.kinematics, self.arms, self.run
        )
        self._steps: list[StepRecord] = []  # of this tick; published after its command was sent
        self.loop = ControlLoop(
            self.schema,
            self.role,
            self.kinematics,
            self.arms,
            sigma.at(self.schema.rate),
            self._steps.append,
            self.get_logger().info,
            self.options.seed,
            self.options.ready_time,
            identity=(self.get_fully_qualified_name(), self.run_id),
            patience=self.options.patience,
        )
        self.preflight = Preflight(
            PreflightInputs(
                self.schema,
                self.kinematics,
                self.sensors,
                lambda: self.loop.policy,
                lambda: self.count_publishers(names.JOINT_STATES.format(arm='follower')),
                lambda: self.count_subscribers(names.STEP),
                lambda: self.loop.driver.command_problem(time.monotonic()),
                make_publisher_check(self, self.role, self.options.reward_source == 'topic'),
                lambda: limits_problem(
                    self.loop.driver.joint_limits, self.kinematics.joint_limits
                ),
            ),
            self.role,
            self.options.has_leader,
            self.options.reward_source == 'topic',
        )
        self.readiness = Readiness(
            self.preflight, self.loop, self.options.auto_start and self.role != 'preflight'
        )
        self._warned_of = ''
        self._told_passed = False  # the launcher, that the cell has passed its checks
        self._slowness = Slowness(self.schema.rate)
        self._preflight_until = time.monotonic() + self.options.preflight_wait
        self._learner = LearnerLiveness()
        self._last_episode = LastEpisode(
            self.schema,
            self.loop,
            self.create_client(LabelEpisode, names.LEARNER_LABEL),
            self.get_logger(),
            self.options.episodes if self.role == 'record' else None,
            lambda: self.sensors.judge[0].startswith(names.DETECTOR),
        )
        if self.role == 'train':
            self.get_logger().info(f'sigma {sigma} (start:={self.options.start})')
        self._other: TargetPolicy | None = None
        if self.options.other_policy:
            self._other = make_other_policy(self, self.schema, self.options, self.kinematics)
            self.loop.offer(self._other)
        self._evaluation = self._make_evaluation() if self.role == 'eval' else None
        self._make_topics()
        self._loop_thread = LoopThread(
            self.loop,
            self.readiness,
            self.sensors,
            self.arms,
            self.get_clock(),
            self._after_tick,
            self.options.patience,
        )
        self.guard(self._loop_thread.run)

    def _make_topics(self) -> None:
        self.create_subscription(LearnerStatus, names.LEARNER_STATUS, self._on_learner, qos.STATUS)
        self.create_subscription(LinkStatus, names.LINK_STATUS, self._on_link, qos.STATUS)
        self.create_subscription(
            DiagnosticArray, names.DIAGNOSTICS, self._on_diagnostics, qos.STATUS
        )
        self.create_subscription(DriverStatus, names.DRIVER_STATUS, self._on_driver, qos.STATUS)
        self.create_service(Trigger, names.DISCARD_LAST, self._last_episode.on_discard)
        steps = qos.STEPS_KEPT if self.options.behind_link else qos.STEPS
        self._step_publisher = self.create_publisher(Step, names.STEP, steps)
        self._status_publisher = self.create_publisher(ActorStatus, names.ACTOR_STATUS, qos.STATUS)
        self._task_publisher = self.create_publisher(Task, names.TASK, qos.LATCHED)
        self._publish_task()
        learned = self.role != 'eval' and self._other is None
        self._weights = self._subscribe_to_weights() if learned else None
        operator = OperatorServices(
            self.role,
            self.loop,
            self.readiness,
            lambda: 'leader' in self.sensors.joints,
            self._last_episode.overrule,
        )
        for name, event in TRIGGERS.items():
            self.create_service(Trigger, name, partial(operator.on_trigger, event))
        for name, (on, off) in SWITCHES.items():
            self.create_service(SetBool, name, partial(operator.on_switch, on, off))

    def _publish_task(self) -> None:
        self._task_publisher.publish(task_to_cdr(self.schema, self.run.run_id))

    def _subscribe_to_weights(self) -> WeightsSubscriber:
        weights = WeightsSubscriber(
            self.schema,
            self.loop,
            self.get_clock().now().nanoseconds,
            self.run,
            self.refusals,
            WeightsTopic(
                partial(publisher_names, self, names.WEIGHTS),
                lambda: len(publishers(self, names.WEIGHTS)) == 1,
                self._publish_task,
            ),
        )
        self.create_subscription(Weights, names.WEIGHTS, weights.on_message, qos.LATCHED, raw=True)
        self.guard(weights.load)
        return weights

    # -- messages in ---------------------------------------------------------------------------

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name = names.of_cell(self.get_namespace(), status.name)
            self.preflight.diagnosed.note(
                name,
                ord(status.level),
                short(status.message),
                {short(pair.key, 40): short(pair.value, 40) for pair in status.values[:50]},
            )

    def _on_driver(self, message: DriverStatus) -> None:
        self.kinematics.allowed = message.follower_range
        stop = message.stop_cause[:100] if message.stop != DriverStatus.RUNNING else ''
        self.loop.driver.note(
            DriverState(
                message.session,
                stop,
                message.commander,
                message.run_id,
                message.refused_commands,
                short(message.joint_limits, 40),
            ),
            time.monotonic(),
        )

    def _on_learner(self, _: LearnerStatus) -> None:
        self._learner.received(time.monotonic(), self.loop.env_steps)

    def _on_link(self, message: LinkStatus) -> None:
        self._learner.link_received(time.monotonic(), short(message.message, 300))

    # -- evaluation ----------------------------------------------------------------------------

    def _make_evaluation(self) -> EvaluationRunner:
        evaluation = EvaluationRunner(
            [Path(name) for name in self.options.policies],
            [Path(name) for name in self.options.results],
            self.schema,
            self.options.episodes,
            self.options.keep,
            {'world': self.options.world, 'seed': self.options.seed},
            self.get_logger().info,
            self.guard,
            self._other,
        )
        self._offer_policy(evaluation)
        return evaluation

    def _offer_policy(self, evaluation: EvaluationRunner) -> None:
        if self.loop.stats is not evaluation.stats:
            self.loop.stats = evaluation.stats
            self.loop.offer(evaluation.policy)

    # -- after each tick -----------------------------------------------------------------------

    def _after_tick(self, stamp: Time) -> None:
        self._publish_steps()
        self._publish_status(stamp)
        if self._weights:
            self._weights.acted.set()
        if not self._told_passed and self.readiness.passed:
            self._told_passed = True
            give(PASSED)
        timing = self._loop_thread.timing
        if line := self._slowness.sentence(time.monotonic(), timing.ticks, timing.missed):
            self.get_logger().warning(line)
        if self._is_done():
            self._loop_thread.stop()
            self.stop_event.set()

    def _is_done(self) -> bool:
        if self.role == 'preflight':
            return self._preflight_ended()
        if self._evaluation:
            more = self._evaluation.advance()
            self._offer_policy(self._evaluation)
            return not more
        limit = self.options.episodes
        return bool(limit) and len(self.loop.stats.results) >= limit

    def _preflight_ended(self) -> bool:
        """Return whether `./cell preflight` has its result; print it."""
        passed = self.readiness.passed
        if not passed and time.monotonic() < self._preflight_until:
            return False
        print(table(self.readiness.checks), flush=True)
        if passed:
            print('all checks passed', flush=True)
        else:
            self.error = (
                f'{len(self.readiness.problems)} preflight checks failed within '
                f'{self.options.preflight_wait:g} s; remove the causes, or give a busy computer '
                'more time: preflight_wait:=60'
            )
        return True

    def _publish_steps(self) -> None:
        while self._steps:
            record = replace(self._steps.pop(0), run_id=self.run.run_id)
            self._step_publisher.publish(step_to_cdr(record))
            self._last_episode.note_step(record)
            if self._evaluation:
                self._evaluation.record_step(record)

    def _publish_status(self, stamp: Time) -> None:
        loop, now = self.loop, time.monotonic()
        learner = self._learner.sentence(now, loop.env_steps)
        strangers = self.readiness.publishers
        if strangers and strangers != self._warned_of:
            self.get_logger().warning(short(strangers, 500))
        self._warned_of = strangers
        if loop.machine.mode is Mode.IDLE:
            strangers = ''  # the preflight says it
        parts = (learner, self._last_episode.news, loop.message, strangers)
        message = short('; '.join(filter(None, parts)), 1000)
        status = actor_status(loop, self._loop_thread.timing, now, message)
        status.observation_age_ms = self.sensors.image_age * 1e3
        status.image_skew_ms = self.sensors.image_skew * 1e3
        status.tick_ms = self._loop_thread.tick_ms
        status.wanted = self.options.episodes
        status.reward_source, status.success_probability = self.sensors.judge
        status.limited = ', '.join(self.kinematics.limited)
        status.header.stamp, status.run_id = stamp, self.run_id
        self._status_publisher.publish(status)

    def close(self) -> None:
        """Stop the loop, publish its last steps, log the result of an evaluation."""
        self._loop_thread.stop()
        time.sleep(1.5 / self.schema.rate)
        self.loop.close()
        self._publish_steps()
        if self._evaluation and not self._evaluation.finished:
            self._evaluation.close()
