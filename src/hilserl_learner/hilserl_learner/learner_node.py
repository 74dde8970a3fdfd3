"""The learner node: steps and task in; weights, status and services out. All else: learner.py."""

from array import array
import time

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from std_srvs.srv import SetBool, Trigger

from hilserl_core.bags.cdr import step_from_cdr, task_from_cdr
from hilserl_core.bags.labels import outcome_of
from hilserl_core.contract.task_parameters import TASK_PARAMETERS, task_of
from hilserl_core.policy.exploration import PRESETS
from so101_interfaces.msg import LearnerStatus, Step, Task, Weights
from so101_interfaces.srv import LabelEpisode
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.ros_node import CellNode, Parameter

from .agent.config import ALGORITHMS
from .training.learner import Learner
from .training.malloc import keep_freed_memory
from .training.options import LearnerOptions

DEFAULTS = LearnerOptions()
STATUS_PERIOD = 1.0
LAST_STEPS = 0.3  # s


class LearnerNode(CellNode):
    """ROS around one `Learner`."""

    PARAMETERS = (
        Parameter('run_dir', 'runs/default', 'directory of the run: bags, checkpoints, curves'),
        *TASK_PARAMETERS,
        Parameter(
            'start',
            DEFAULTS.start,
            'what a new run starts from; sets sigma',
            choices=tuple(PRESETS),
        ),
        Parameter(
            'actors',
            '',
            'namespaces of the actors that this learner serves, separated by '
            'commas; empty: its own',
        ),
        Parameter('demos', '', 'directories of demonstration bags, separated by commas'),
        Parameter(
            'unlabelled',
            DEFAULTS.unlabelled,
            'demonstrations of which nobody said how they '
            'came out: a reason not to start, or left out',
            choices=('refuse', 'exclude'),
        ),
        Parameter(
            'pretrained',
            '',
            'checkpoint (a directory) to start from, or a policy bundle '
            '(policy.safetensors), whose critic is yet to be learned',
        ),
        Parameter(
            'critic_warmup_updates',
            DEFAULTS.critic_warmup_updates,
            'updates of the critics alone, so that '
            'they do not unteach the policy; -1: 1000 for a policy bundle, else 0',
            -1,
            1_000_000,
        ),
        Parameter(
            'algorithm',
            DEFAULTS.algorithm,
            'cell: what learns best in the simulated cell; drqv2: as published',
            choices=tuple(ALGORITHMS),
        ),
        Parameter(
            'agent_options',
            '',
            'numbers of the algorithm to change: "discount=0.99 '
            'frame_stack=3"; a wrong name lists them all',
        ),
        Parameter('encoder', '', 'policy bundle whose encoder is taken and kept as it is'),
        Parameter(
            'allow_high_sigma', False, 'let noise above 0.3 hide what a pretrained policy can do'
        ),
        Parameter(
            'pretrain_updates',
            DEFAULTS.pretrain_updates,
            'updates on demonstrations before the first step of the run; -1: the preset of start',
            -1,
            1_000_000,
        ),
        Parameter(
            'sigma',
            '',
            'exploration noise: linear(from,to,steps) or a number; empty: the '
            'preset of start. The actor must be given the same',
        ),
        Parameter(
            'update_ratio',
            DEFAULTS.update_ratio,
            'updates for each step of the run; 0 records without learning',
            0.0,
            100.0,
        ),
        Parameter('batch_size', DEFAULTS.batch_size, 'transitions in an update', 2, 4096),
        Parameter(
            'min_steps',
            DEFAULTS.min_steps,
            'transitions in the replay (demonstrations too) before updates begin',
            1,
            1_000_000,
        ),
        Parameter(
            'checkpoint_period', DEFAULTS.checkpoint_period, 's between checkpoints', 1.0, 86400.0
        ),
        Parameter(
            'publish_period', DEFAULTS.publish_period, 's between published policies', 1.0, 3600.0
        ),
        Parameter(
            'device', DEFAULTS.device, 'where networks are trained', choices=('cpu', 'cuda')
        ),
        # on two cores, batch 64: one thread 50 ms; two threads 34 ms alone, but 0.9 s beside a
        # busy process, because each waits for the other at every operation
        Parameter('threads', DEFAULTS.threads, 'threads of one update', 1, 256),
        Parameter('world', '', 'name of the simulated world, or real: stands in run.yaml'),
        Parameter('seed', DEFAULTS.seed, 'of initial weights and sampling', 0, 2**31 - 1),
        Parameter('memory_gb', DEFAULTS.memory_gb, 'memory of the replay, GB', 0.01, 1000.0),
    )

    def __init__(self):
        super().__init__('learner')
        keep_freed_memory()
        self._schema = task_of(self)
        self._malformed = 0
        actors = [
            f'/{name.strip().strip("/")}/'
            for name in self.param('actors').split(',')
            if name.strip()
        ] or ['']
        self._weights = [
            self.create_publisher(Weights, actor + names.WEIGHTS, qos.LATCHED) for actor in actors
        ]
        self._status = [
            self.create_publisher(LearnerStatus, actor + names.LEARNER_STATUS, qos.STATUS)
            for actor in actors
        ]
        # before the bags are read: steps that arrive meanwhile wait in the subscription
        for actor in actors:
            self.create_subscription(Step, actor + names.STEP, self._on_step, qos.STEPS, raw=True)
            self.create_subscription(
                Task, actor + names.TASK, self._on_task, qos.LATCHED, raw=True
            )
        values = {name: self.param(name) for name in vars(DEFAULTS)}
        values['demos'] = tuple(d.strip() for d in values['demos'].split(',') if d.strip())
        self._learner = Learner(
            self._schema,
            self.param('run_dir'),
            LearnerOptions(**values),
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
            self.fatal("the actor's task is not the learner's: " + '; '.join(lines))

    def _publish(self, data: bytes, version: int, updates: int, env_steps: int) -> None:
        message = Weights(
            version=version,
            env_steps=env_steps,
            data=array('B', data),
        )
        message.header.stamp = self.get_clock().now().to_msg()
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
        # The actor is told to end at the same moment: its last steps are still on the way.
        time.sleep(LAST_STEPS)
        try:
            self._learner.close(self._train_thread, self._record_thread)
        except CellError as error:
            self.fatal(str(error))
