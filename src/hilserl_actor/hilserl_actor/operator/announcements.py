"""Announces changes of the cell as sentences, for a screen reader."""

from ..options import SCRIPTED
from .mode_texts import mode_text
from .statuses import ActorStatus


def announcements(before: ActorStatus | None, now: ActorStatus, teleop: str) -> list[str]:
    """Return sentences on the changes from one status to the next."""
    sentences = []
    if before is None or now.mode != before.mode:
        sentences.append(f'{now.mode}: {mode_text(now.mode, teleop)}.')
    if before is not None and now.episodes != before.episodes:
        sentences.append(_success(now))
    if now.message and (before is None or now.message != before.message):
        sentences.append(now.message + '.')
    # the hints are for a person who takes over
    if teleop != SCRIPTED and now.hint and (before is None or now.hint != before.hint):
        sentences.append(now.hint + '.')
    return sentences


def _success(now: ActorStatus) -> str:
    if now.role == 'record':
        return f'{now.episodes} demonstrations, {now.successes} succeeded.'
    alone = f'The policy succeeded alone in {now.alone} of {now.episodes} episodes'
    return (
        f'{alone}.'
        if now.role == 'eval'
        else f'{alone}, with help in {now.successes - now.alone}.'
    )
