"""The learner node: receives steps and task; publishes weights and status. See learner.py."""

from functools import partial
from math import inf
from pathlib import Path
import secrets
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.executors import Executor, SingleThreadedExecutor
from std_srvs.srv import SetBool, Trigger

from hilserl_core.bags.cdr import step_from_cdr, task_from_cdr
from hilserl_core.bags.labels import outcome_of
from hilserl_core.bags.recorder import REMEMBERED
from hilserl_core.contract.steps import problem
from hilserl_core.policy.weights import PublishedPolicy, weights_to_cdr
from so101_interfaces.msg import LearnerStatus, Recorded, Step, Task, Weights
from so101_interfaces.srv import LabelEpisode
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.graph import sender
from so101_node.refusals import short
from so101_node.ros_node import CellNode
from so101_node.run_id import RunFilter

from .training.learner import Learner
from .training.malloc import keep_freed_memory
from .training.options import LearnerNodeOptions
from .training.step_budget import StepBudgets

STATUS_PERIOD = 1.0
RECORDED_PERIOD = 0.25  # s between two looks at what is on disk
LAST_STEPS_WAIT = 0.3  # s


class LearnerNode(CellNode):
    """The ROS interface of one `Learner`."""

    OPTIONS = LearnerNodeOptions
    options: LearnerNodeOptions

    def __init__(self) -> None:
        super().__init__('learner')
        keep_freed_memory()
        self._schema = self.options.schema()
        self._run = RunFilter(self.options.run_id)
        self._refused_steps = 0
        self._received: dict[str, int] = {}  # the last step of each episode
        actors = [f'/{name.strip("/")}/' for name in self.options.actors] or ['']
        self._weights = [
            self.create_publisher(Weights, actor + names.WEIGHTS, qos.LATCHED) for actor in actors
        ]
        self._status = [
            self.create_publisher(LearnerStatus, actor + names.LEARNER_STATUS, qos.STATUS)
            for actor in actors
        ]
        self._session = secrets.token_hex(4)
        # An actor that is under way goes on while the bags of its run are read: its steps wait in
        # the queue. The first steps of a new run come when all is ready: a Ctrl-C before that
        # would lose them.
        resumes = Path(self.options.run_dir, 'bags').exists()
        if resumes:
            self._subscribe(actors)
        self._learner = Learner(
            self._schema,
            self.options.run_dir,
            self.options,
            self._publish,
            self.get_logger().info,
        )
        self._received |= self._learner.received  # a bag of this run may be played
        if not resumes:
            self._subscribe(actors)
        self.create_service(SetBool, names.LEARNER_PAUSE, self._on_pause)
        self.create_service(Trigger, names.LEARNER_SAVE, self._on_save)
        self.create_service(Trigger, names.LEARNER_ROLL_BACK, self._on_roll_back)
        self.create_service(LabelEpisode, names.LEARNER_LABEL, self._on_label)
        self.create_timer(STATUS_PERIOD, self._publish_status)
        self._recorded = self.create_publisher(Recorded, names.RECORDED, qos.LATCHED)
        self._on_disk = dict(list(self._learner.received.items())[-REMEMBERED:])
        self._told: dict[str, int] | None = None
        self._told_at = 0.0
        self.create_timer(RECORDED_PERIOD, self._publish_recorded)
        self._record_thread = self.guard(self._learner.recorder.run)
        self._train_thread = self.guard(self._learner.train)

    def _subscribe(self, actors: list[str]) -> None:
        for actor in actors:
            # The link bounds each cell itself. A step that it repeats must not be refused here:
            # the next one would be taken, and then this one is lost.
            burst = inf if self.options.linked else qos.STEPS.depth
            budgets = StepBudgets(self._schema.rate, burst)
            on_step = partial(self._on_step, budgets)
            # a topic of this start: what was meant for an earlier one cannot arrive in between
            linked = names.LINKED_STEP.format(session=f's{self._session}')
            topic = linked if self.options.linked else actor + names.STEP
            self.create_subscription(Step, topic, on_step, qos.STEPS, raw=True)
            self.create_subscription(
                Task, actor + names.TASK, self._on_task, qos.LATCHED, raw=True
            )

    @staticmethod
    def make_executor() -> Executor:
        """Return an executor that tells who published a message; events executors do not."""
        return SingleThreadedExecutor()

    def _on_step(self, budgets: StepBudgets, data: bytes, info: dict[str, Any]) -> None:
        budget = budgets.of(sender(info))
        try:
            if why := budget.problem():  # before the work that a step makes
                raise CellError(why)
            step = step_from_cdr(data)
            # problem first: a node without a run id takes that of a step that it can use
            if why := problem(step, self._schema) or self._run.problem(step.run_id):
                raise CellError(f'step {step.index} of {short(step.episode_id, 40)}: {why}')
            if step.index <= self._received.get(step.episode_id, -1):
                self._tell_recorded(step.episode_id)
                raise CellError(
                    f'step {step.index} of {step.episode_id} was received before; do not play a '
                    'bag on the topics of a running cell'
                )
            self._received[step.episode_id] = step.index
        except CellError:
            self._refused_steps += 1
            raise
        budget.take()
        self._learner.ingest(step)

    def _on_task(self, data: bytes) -> None:
        task = task_from_cdr(data)
        lines = self._schema.differences(task.schema)
        if lines and task.run_id != self._run.run_id:
            raise CellError(f'it is of another run, and another task: {"; ".join(lines)}')
        if why := self._run.problem(task.run_id):
            raise CellError(why)
        if lines:
            self.fatal(
                f'actor and learner have different tasks: {short("; ".join(lines), 1000)}',
                refused=True,
            )

    def _publish(self, data: bytes, version: int, updates: int, env_steps: int) -> None:
        now = self.get_clock().now().nanoseconds
        message = weights_to_cdr(PublishedPolicy(now, version, env_steps, data, self._run.run_id))
        for publisher in self._weights:
            publisher.publish(message)

    def _tell_recorded(self, episode_id: str) -> None:
        """Tell of an episode of before this start, whose steps somebody has sent again."""
        if (index := self._learner.received.get(episode_id)) is not None:
            self._on_disk.pop(episode_id, None)
            self._on_disk[episode_id] = index

    def _publish_recorded(self) -> None:
        """Tell what is on disk when it changes, and once a second."""
        found = self._on_disk | self._learner.recorder.on_disk
        now = time.monotonic()
        if found == self._told and now - self._told_at < STATUS_PERIOD:
            return
        self._told, self._told_at = found, now
        newest = list(found.items())[-REMEMBERED:]
        message = Recorded(
            session=self._session,
            run_id=self._run.run_id,
            episode_id=[name for name, _ in newest],
            index=[index for _, index in newest],
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._recorded.publish(message)

    def _publish_status(self) -> None:
        learner, trainer = self._learner, self._learner.trainer
        metrics = trainer.metrics
        message = LearnerStatus(
            state=learner.state,
            updates=trainer.updates,
            updates_per_s=learner.updates_per_s(),
            update_ratio=trainer.pacer.achieved,
            target_ratio=trainer.pacer.ratio,
            replay_steps=len(trainer.replay),
            prior_steps=trainer.replay.prior_size,
            rejected_steps=trainer.replay.rejected + self._refused_steps,
            checkpoint=learner.checkpoint,
            episodes=trainer.episodes,
            recent_episodes=len(trainer.recent),
            recent_alone=trainer.recent.alone,
        )
        message.header.stamp = self.get_clock().now().to_msg()
        for publisher in self._status:
            publisher.publish(message)
        warnings = trainer.health.warnings
        self.diagnose(
            DiagnosticStatus(
                level=DiagnosticStatus.WARN if warnings else DiagnosticStatus.OK,
                name='learner: learning',
                message='; '.join(warnings) or learner.state.lower(),
                hardware_id='learner',
                values=[
                    KeyValue(key='refused_messages', value=str(self.refusals.count)),
                    KeyValue(key='last_refusal', value=self.refusals.last),
                ]
                + [
                    KeyValue(key=name, value=f'{value:.6g}')
                    for name, value in sorted(metrics.items())
                ],
            )
        )

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._learner.pause(request.data)
        response.success, response.message = True, self._learner.state
        return response

    def _on_save(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        name = self._learner.save()
        response.success = bool(name)
        response.message = (
            f'checkpoints/{name}'
            if name
            else ("no checkpoint within 5 s; the learner's log says why")
        )
        return response

    def _on_roll_back(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        name = self._learner.roll_back()
        response.success = bool(name)
        response.message = (
            f'checkpoints/{name}'
            if name
            else ('not rolled back within 5 s: there is no checkpoint, or training is busy')
        )
        return response

    def _on_label(
        self, request: LabelEpisode.Request, response: LabelEpisode.Response
    ) -> LabelEpisode.Response:
        at = request.at.sec * 10**9 + request.at.nanosec or None
        try:
            response.message = self._learner.label(
                request.episode_id, outcome_of(request.outcome), at
            )
            response.success = bool(response.message)
        except CellError as error:
            response.message = str(error)
        response.message = response.message or 'not labelled within 5 s: training is busy'
        return response

    def close(self) -> None:
        """Complete the bags and save a checkpoint."""
        # The actor ends at the same time: wait for its last steps.
        time.sleep(LAST_STEPS_WAIT)
        try:
            self._learner.close(self._train_thread, self._record_thread)
        except CellError as error:
            self.fatal(str(error))
