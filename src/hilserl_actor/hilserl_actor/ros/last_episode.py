"""Reports the quality of the last episode; discards it, or gives it another outcome, on request.

The bag is not changed: the learner writes a label beside it (hilserl/learner/label).
"""

from collections.abc import Callable
import threading
import time
from typing import Any

from rclpy.client import Client
from rclpy.impl.rcutils_logger import RcutilsLogger
from std_srvs.srv import Trigger

from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_interfaces.srv import LabelEpisode
from so101_node import names
from so101_node.refusals import short

from ..loop.control import ControlLoop
from ..loop.demonstration_quality import DemonstrationQuality

BY_OPERATOR = 'the operator'  # cause of an event that a key asked for
BAG_TIME = 1.0  # s until the learner has the whole episode in a bag
NEWS_TIME = 15.0  # s for which the sentence is in the status


class LastEpisode:
    """The sentence on the last episode, and the services that discard or correct it.

    label: client of the learner's service; logger: of the node. wanted: number of demonstrations
    to record, 0: no limit; None: this node records no demonstrations. by_detector: whether a
    success detector gives the reward; then each outcome that the operator marks is written as a
    label, so that a detector can be trained on it.
    """

    def __init__(
        self,
        schema: TaskSchema,
        loop: ControlLoop,
        label: Client[Any, Any],
        logger: RcutilsLogger,
        wanted: int | None = None,
        by_detector: Callable[[], bool] = lambda: False,
    ):
        self._schema, self._loop, self._label, self._logger = schema, loop, label, logger
        self._wanted, self._by_detector = wanted, by_detector
        self._outcome = ''  # of the last episode, if it counts
        self._current: DemonstrationQuality | None = None
        self._discardable = ''  # id of the last episode if it counts, else ''
        self._news, self._news_at = '', 0.0

    def note_step(self, step: StepRecord) -> None:
        """Note a step after the tick that emitted it. Call it in the loop's thread."""
        if self._current is None or self._current.episode_id != step.episode_id:
            self._current, self._news = DemonstrationQuality(self._schema), ''
        self._current.add_record(step)
        if not step.last:
            return
        quality, self._current = self._current, None
        counts = quality.outcome not in (Outcome.NONE, Outcome.DISCARDED)
        self._discardable = quality.episode_id if counts else ''
        self._outcome = Outcome(quality.outcome).name.lower() if counts else ''
        if counts and self._by_detector() and self._loop.ended_by == BY_OPERATOR:
            late = threading.Timer(BAG_TIME, self._label_as, (quality.episode_id, self._outcome))
            late.daemon = True
            late.start()
        if self._wanted is not None:
            self._report_quality(quality, counts)

    def _report_quality(self, quality: DemonstrationQuality, counts: bool) -> None:
        count = self._count()
        sentence = (
            f'demonstration {count}: {quality.sentence()}'
            if counts
            else f'{quality.sentence()}; {count} demonstrations so far'
        )
        warnings = quality.warnings() if counts else []
        if warnings:
            sentence += '. POOR: ' + '; '.join(warnings) + ' (r discards it)'
        self._set_news(sentence)
        # Two calls, because rclpy refuses a second severity from the same line of code.
        if warnings:
            self._logger.warning(sentence)
        else:
            self._logger.info(sentence)

    def _count(self) -> str:
        count = len(self._loop.stats.results)
        return f'{count} of {self._wanted}' if self._wanted else f'{count}'

    def _set_news(self, sentence: str) -> None:
        self._news, self._news_at = sentence, time.monotonic()

    @property
    def news(self) -> str:
        """The sentence for the operator, for NEWS_TIME; then ''."""
        return self._news if time.monotonic() - self._news_at < NEWS_TIME else ''

    def on_discard(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Answer the service `names.DISCARD_LAST`."""
        if self._loop.episode is not None:
            response.message = f'an episode is running; {names.DISCARD} discards it'
        elif not self._discardable:
            response.message = 'there is no finished episode to discard'
        elif not self._label.service_is_ready():
            response.message = f'no node offers {names.LEARNER_LABEL}; is the learner running?'
        else:
            episode_id, self._discardable = self._discardable, ''
            self._label.call_async(
                LabelEpisode.Request(episode_id=episode_id, outcome='discarded')
            ).add_done_callback(lambda future: self._discarded(episode_id, future.result()))
            response.success = True
            response.message = f'episode {episode_id} is being discarded'
        return response

    def overrule(self, outcome: str) -> str:
        """Give the last episode another outcome: success or failure; return why not, or ''."""
        if self._loop.episode is not None or not self._discardable:
            return f'there is no finished episode to call a {outcome}'
        if outcome == self._outcome:
            return f'the last episode is a {outcome} already'
        if not self._label.service_is_ready():
            return f'no node offers {names.LEARNER_LABEL}; is the learner running?'
        self._label_as(self._discardable, outcome)
        return ''

    def _label_as(self, episode_id: str, outcome: str) -> None:
        self._label.call_async(
            LabelEpisode.Request(episode_id=episode_id, outcome=outcome)
        ).add_done_callback(lambda future: self._labelled(episode_id, outcome, future.result()))

    def _labelled(self, episode_id: str, outcome: str, answer: LabelEpisode.Response) -> None:
        if not answer.success:
            self._set_news(f'the last episode is NOT a {outcome}: {short(answer.message)}')
        elif outcome != self._outcome:
            self._loop.stats.correct(episode_id, outcome)
            self._outcome = outcome
            self._set_news(f'the last episode is a {outcome} now, in bag and replay')
        else:
            return
        self._logger.info(self._news)

    def _discarded(self, episode_id: str, answer: LabelEpisode.Response) -> None:
        if answer.success:
            self._loop.stats.remove(episode_id)
            self._set_news(f'the last episode is discarded; {self._count()} demonstrations so far')
        else:
            self._discardable = episode_id
            self._set_news(f'the last episode is NOT discarded: {short(answer.message)}')
        self._logger.info(self._news)
