"""Checks that commands, rewards and weights have one publisher each, and names the others."""

from collections.abc import Callable, Sequence

from so101_node.publisher import Publisher

from ..loop.preflight import DISCOVERY_TIME


class PublisherCheck:
    """Watches topics of this cell. find(topic): its publishers that are known now.

    A node that was killed and started again is listed twice for a while, under one name. Two
    names are two nodes at once.
    """

    def __init__(
        self,
        topics: Sequence[str],
        find: Callable[[str], list[Publisher]],
        describe: Callable[[str], str],
    ):
        self._find, self._describe = find, describe
        # s, when each topic last had one publisher; -1: not looked at yet
        self._one_at = dict.fromkeys(topics, -1.0)

    def problem(self, now: float) -> str:
        """Return a sentence on the topics with more than one publisher, or ''. now: s."""
        return '; '.join(filter(None, (self._problem_of(topic, now) for topic in self._one_at)))

    def _problem_of(self, topic: str, now: float) -> str:
        found = self._find(topic)
        if len(found) < 2 or self._one_at[topic] < 0.0:
            self._one_at[topic] = now
        named = {each.node for each in found if each.node}
        if len(named) < 2 and now - self._one_at[topic] <= DISCOVERY_TIME:
            return ''
        return (
            f'{len(found)} nodes publish {topic}: {self._describe(topic)}; end all but one, or '
            'start the other cell with namespace:='
        )
