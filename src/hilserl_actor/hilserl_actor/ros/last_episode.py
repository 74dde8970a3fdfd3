"""The episode that has just ended: how good it was, and its being discarded afterwards.

Its bag is not touched: the learner puts a label beside it (hilserl/learner/label).
"""

import time

from std_srvs.srv import Trigger

from hilserl_core.contract.steps import Outcome, StepRecord
from so101_interfaces.srv import LabelEpisode
from so101_node import names

from ..loop.demonstration_quality import Quality

NEWS = 15.0  # s for which it is told


class LastEpisode:
    """Service and sentence of one actor node."""

    def __init__(self, node):
        self._node = node
        self._under_way: Quality | None = None
        self._kept = ''  # id of the last one that counts
        self._news, self._news_at = '', 0.0
        self._label = node.create_client(LabelEpisode, names.LEARNER_LABEL)
        node.create_service(Trigger, names.DISCARD_LAST, self._on_discard)

    def take(self, step: StepRecord) -> None:
        """Note a step, after the tick that made it. In the loop's thread."""
        if self._under_way is None or self._under_way.episode_id != step.episode_id:
            self._under_way, self._news = Quality(self._node.schema), ''
        self._under_way.take(step)
        if not step.last:
            return
        quality, self._under_way = self._under_way, None
        counts = quality.outcome not in (Outcome.NONE, Outcome.DISCARDED)
        self._kept = quality.episode_id if counts else ''
        if self._node.role == 'record':
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
            self._node.get_logger().warning(sentence)
        else:
            self._node.get_logger().info(sentence)

    def _count(self) -> str:
        count, wanted = len(self._node.loop.tally.results), self._node.options.episodes
        return f'{count} of {wanted}' if wanted else f'{count}'

    def _tell(self, sentence: str) -> None:
        self._news, self._news_at = sentence, time.monotonic()

    @property
    def news(self) -> str:
        """What the operator should know of it, for a while."""
        return self._news if time.monotonic() - self._news_at < NEWS else ''

    def _on_discard(self, _, response):
        if self._node.loop.episode is not None:
            response.message = f'an episode is under way: {names.DISCARD} discards it'
        elif not self._kept:
            response.message = 'there is no finished episode to discard'
        elif not self._label.service_is_ready():
            response.message = f'nobody offers {names.LEARNER_LABEL}: the learner is not there'
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
            self._node.loop.tally.forget(episode_id)
            self._tell(f'the last episode is discarded; {self._count()} demonstrations so far')
        else:
            self._kept = episode_id
            self._tell(f'the last episode is NOT discarded: {answer.message}')
        self._node.get_logger().info(self._news)
