"""The episode that has just ended: how good it was, and its being discarded afterwards.

Its bag is not touched: the learner puts a label beside it (hilserl/learner/label).
"""

import time

from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_interfaces.srv import LabelEpisode
from so101_node import names

from ..loop.control import ControlLoop
from ..loop.demonstration_quality import Quality

NEWS = 15.0  # s for which it is told


class LastEpisode:
    """Sentence on the last episode, and the service that discards it.

    label: client of the learner's service; logger: of the node. wanted: number of demonstrations
    that are to be recorded, 0: not given; None: nothing is demonstrated here.
    """

    def __init__(
        self, schema: TaskSchema, loop: ControlLoop, label, logger, wanted: int | None = None
    ):
        self._schema, self._loop, self._label, self._logger = schema, loop, label, logger
        self._wanted = wanted
        self._under_way: Quality | None = None
        self._kept = ''  # id of the last one that counts
        self._news, self._news_at = '', 0.0

    def note_step(self, step: StepRecord) -> None:
        """Note a step, after the tick that made it. In the loop's thread."""
        if self._under_way is None or self._under_way.episode_id != step.episode_id:
            self._under_way, self._news = Quality(self._schema), ''
        self._under_way.take(step)
        if not step.last:
            return
        quality, self._under_way = self._under_way, None
        counts = quality.outcome not in (Outcome.NONE, Outcome.DISCARDED)
        self._kept = quality.episode_id if counts else ''
        if self._wanted is not None:
            self._tell_quality(quality, counts)

    def _tell_quality(self, quality: Quality, counts: bool) -> None:
        count = self._count()
        sentence = (
            f'demonstration {count}: {quality.sentence()}'
            if counts
            else f'{quality.sentence()}; {count} demonstrations so far'
        )
        warnings = quality.warnings() if counts else []
        if warnings:
            sentence += '. POOR: ' + '; '.join(warnings) + ' (r discards it)'
        self._tell(sentence)
        # One line each: rclpy refuses another severity from a line that has logged before.
        if warnings:
            self._logger.warning(sentence)
        else:
            self._logger.info(sentence)

    def _count(self) -> str:
        count = len(self._loop.stats.results)
        return f'{count} of {self._wanted}' if self._wanted else f'{count}'

    def _tell(self, sentence: str) -> None:
        self._news, self._news_at = sentence, time.monotonic()

    @property
    def news(self) -> str:
        """What the operator should know of it, for a while."""
        return self._news if time.monotonic() - self._news_at < NEWS else ''

    def on_discard(self, _, response):
        """Answer the service `names.DISCARD_LAST`."""
        if self._loop.episode is not None:
            response.message = f'an episode is under way: {names.DISCARD} discards it'
        elif not self._kept:
            response.message = 'there is no finished episode to discard'
        elif not self._label.service_is_ready():
            response.message = f'no node offers {names.LEARNER_LABEL}: the learner is not there'
        else:
            episode_id, self._kept = self._kept, ''
            self._label.call_async(
                LabelEpisode.Request(episode_id=episode_id, outcome='discarded')
            ).add_done_callback(lambda future: self._discarded(episode_id, future.result()))
            response.success = True
            response.message = f'episode {episode_id} is being discarded'
        return response

    def _discarded(self, episode_id: str, answer) -> None:
        if answer.success:
            self._loop.stats.forget(episode_id)
            self._tell(f'the last episode is discarded; {self._count()} demonstrations so far')
        else:
            self._kept = episode_id
            self._tell(f'the last episode is NOT discarded: {answer.message}')
        self._logger.info(self._news)
