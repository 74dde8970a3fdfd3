"""Announces changes of the cell as sentences, for a screen reader."""

from .screen import MODE_TEXTS
from .statuses import ActorStatus


def announcements(before: ActorStatus | None, now: ActorStatus) -> list[str]:
    """Return sentences on the changes from one status to the next."""
    sentences = []
    if before is None or now.mode != before.mode:
        sentences.append(f'{now.mode}: {MODE_TEXTS.get(now.mode, "")}.')
    if before is not None and now.episodes != before.episodes:
        sentences.append(f'{now.successes} of {now.episodes} episodes succeeded.')
    if now.message and (before is None or now.message != before.message):
        sentences.append(now.message + '.')
    if now.hint and (before is None or now.hint != before.hint):
        sentences.append(now.hint + '.')
    return sentences
