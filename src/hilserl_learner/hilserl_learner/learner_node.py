"""The learner node: receives steps and task; publishes weights and status. See learner.py."""

import time

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from std_srvs.srv import SetBool, Trigger

from hilserl_core.bags.cdr import step_from_cdr, task_from_cdr
from hilserl_core.bags.labels import outcome_of
from hilserl_core.policy.weights import PublishedPolicy, weights_to_cdr
from so101_interfaces.msg import LearnerStatus, Step, Task, Weights
from so101_interfaces.srv import LabelEpisode
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.ros_node import CellNode

from .training.learner import Learner
from .training.malloc import keep_freed_memory
from .training.options import LearnerNodeOptions

STATUS_PERIOD = 1.0
LAST_STEPS_WAIT = 0.3  # s


class LearnerNode(CellNode):
    """The ROS interface of one `Learner`."""

    OPTIONS = LearnerNodeOptions
    options: LearnerNodeOptions

    def __init__(self):
        super().__init__('learner')
        keep_freed_memory()
        self._schema = self.options.schema()
        self._malformed = 0
        actors = [f'/{name.strip("/")}/' for name in self.options.actors] or ['']
        self._weights = [
            self.create_publisher(Weights, actor + names.WEIGHTS, qos.LATCHED) for actor in actors
        ]
        self._status = [
            self.create_publisher(LearnerStatus, actor + names.LEARNER_STATUS, qos.STATUS)
            for actor in actors
        ]
        # Subscribe before reading the bags: steps that arrive during this wait in the queue.
        for actor in actors:
            self.create_subscription(Step, actor + names.STEP, self._on_step, qos.STEPS, raw=True)
            self.create_subscription(
                Task, actor + names.TASK, self._on_task, qos.LATCHED, raw=True
            )
        self._learner = Learner(
            self._schema,
            self.options.run_dir,
            self.options,
            self._publish,
            self.get_logger().info,
        )
        self.create_service(SetBool, names.LEARNER_PAUSE, self._on_pause)
        self.create_service(Trigger, names.LEARNER_SAVE, self._on_save)
        self.create_service(Trigger, names.LEARNER_ROLL_BACK, self._on_roll_back)
        self.create_service(LabelEpisode, names.LEARNER_LABEL, self._on_label)
        self.create_timer(STATUS_PERIOD, self._publish_status)
        self._record_thread = self.guard(self._learner.recorder.run)
        self._train_thread = self.guard(self._learner.train)

    def _on_step(self, data: bytes) -> None:
        try:
            self._learner.ingest(step_from_cdr(data))
        except CellError as error:
            self._malformed += 1
            self.get_logger().warning(f'step refused: {error}', throttle_duration_sec=10.0)

    def _on_task(self, data: bytes) -> None:
        try:
            lines = self._schema.differences(task_from_cdr(data))
        except CellError as error:
            lines = [str(error)]
        if lines:
            self.fatal('actor and learner have different tasks: ' + '; '.join(lines))

    def _publish(self, data: bytes, version: int, updates: int, env_steps: int) -> None:
        now = self.get_clock().now().nanoseconds
        message = weights_to_cdr(PublishedPolicy(now, version, env_steps, data))
        for publisher in self._weights:
            publisher.publish(message)

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
            rejected_steps=trainer.replay.rejected + self._malformed,
            checkpoint=learner.checkpoint,
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
                    KeyValue(key=name, value=f'{value:.6g}')
                    for name, value in sorted(metrics.items())
                ],
            )
        )

    def _on_pause(self, request, response):
        self._learner.pause(request.data)
        response.success, response.message = True, self._learner.state
        return response

    def _on_save(self, _, response):
        name = self._learner.save()
        response.success = bool(name)
        response.message = (
            f'checkpoints/{name}'
            if name
            else ("no checkpoint within 5 s; the learner's log says why")
        )
        return response

    def _on_roll_back(self, _, response):
        name = self._learner.roll_back()
        response.success = bool(name)
        response.message = (
            f'checkpoints/{name}'
            if name
            else ('not rolled back within 5 s: there is no checkpoint, or training is busy')
        )
        return response

    def _on_label(self, request, response):
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
