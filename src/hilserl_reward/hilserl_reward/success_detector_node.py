"""The node `success_detector`: sees each step, and publishes the reward with its probability.

It reads the steps, not the cameras: they hold the images and the state as they were recorded and
trained on. A step comes one control period after its observation.
"""

from collections import deque
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import torch

from hilserl_core.bags.cdr import step_from_cdr, task_from_cdr
from hilserl_core.contract.steps import problem
from so101_interfaces.msg import Reward, Step, Task
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.refusals import short
from so101_node.ros_node import CellNode
from so101_node.run_id import RunFilter

from .detector import SuccessDetector
from .episode_report import MOST_UNSURE
from .options import DetectorOptions

REWARD_PERIOD = 0.1  # s; between two steps the last judgement holds
DIAGNOSTICS_PERIOD = 1.0  # s
RECENT = 300  # frames in the share of those that it is not sure of


class SuccessDetectorNode(CellNode):
    """`success_detector`: messages in and out around a `SuccessDetector`."""

    OPTIONS = DetectorOptions
    options: DetectorOptions

    def __init__(self) -> None:
        super().__init__('success_detector')
        torch.set_num_threads(1)
        if not self.options.detector:
            raise CellError('no detector is named; start the cell with reward:=FILE')
        self._schema = self.options.schema()
        self._detector = SuccessDetector.load(Path(self.options.detector), self._schema)
        self._run = RunFilter(self.options.run_id)
        self._sure: deque[bool] = deque(maxlen=RECENT)
        self._reward = Reward(probability=0.0, source=f'{names.DETECTOR} {self._detector.version}')
        self._publisher = self.create_publisher(Reward, names.REWARD, qos.SENSOR_PUB)
        self.create_subscription(Step, names.STEP, self._on_step, qos.STEPS, raw=True)
        self.create_subscription(Task, names.TASK, self._on_task, qos.LATCHED, raw=True)
        self.create_timer(REWARD_PERIOD, self._publish)
        self.create_timer(DIAGNOSTICS_PERIOD, self._diagnose)
        figures = self._detector.settings.trained_on
        self.get_logger().info(
            f'{self._reward.source} of {self.options.detector}, trained on '
            f'{figures.get("successes")} successes and {figures.get("failures")} failures'
        )

    def _on_step(self, data: bytes) -> None:
        step = step_from_cdr(data)
        if why := problem(step, self._schema) or self._run.problem(step.run_id):
            raise CellError(f'step {step.index} of {short(step.episode_id, 40)}: {why}')
        reward = self._reward
        if step.last:  # the next episode begins without a reward
            reward.value, reward.success, reward.probability = 0.0, False, 0.0
        else:
            found = self._detector.see(step.episode_id, step.images, step.state)
            self._sure.append(found.sure)
            reward.value, reward.success = float(found.reward), found.reward
            reward.probability, reward.sure = found.probability, found.sure
        self._publish()

    def _on_task(self, data: bytes) -> None:
        task = task_from_cdr(data)
        lines = self._schema.differences(task.schema)
        if lines and task.run_id == self._run.run_id:
            self.fatal(
                f'the detector is for another task than the cell: {short("; ".join(lines), 1000)}',
                refused=True,
            )
        elif why := self._run.problem(task.run_id):
            raise CellError(why)

    def _publish(self) -> None:
        self._reward.header.stamp = self.get_clock().now().to_msg()
        self._reward.run_id = self._run.run_id
        self._publisher.publish(self._reward)

    def _diagnose(self) -> None:
        unsure = 1.0 - sum(self._sure) / len(self._sure) if self._sure else 0.0
        warned = unsure > MOST_UNSURE
        self.diagnose(
            DiagnosticStatus(
                level=DiagnosticStatus.WARN if warned else DiagnosticStatus.OK,
                name='success_detector: reward',
                message=(
                    f'{unsure:.0%} of the last frames are unlike its training, so they give no '
                    'reward: has the light or the bench changed? Train it on new episodes'
                    if warned
                    else 'judges the steps'
                ),
                hardware_id='success_detector',
                values=[
                    KeyValue(key='version', value=self._detector.version),
                    KeyValue(key='probability', value=f'{self._reward.probability:.3f}'),
                    KeyValue(key='threshold', value=f'{self._detector.settings.threshold:.3f}'),
                    KeyValue(key='not_sure_share', value=f'{unsure:.3f}'),
                ],
            )
        )
