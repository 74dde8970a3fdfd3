"""What changed in the cell, as sentences: for a screen reader, which reads every line out."""

from .screen import COMMANDERS


def spoken(before, now) -> list[str]:
    """Sentences on what is new from one ActorStatus (or None) to the next."""
    sentences = []
    if before is None or now.mode != before.mode:
        sentences.append(f'{now.mode}: {COMMANDERS.get(now.mode, "")}.')
    if before is not None and now.episodes != before.episodes:
        sentences.append(f'{now.successes} of {now.episodes} episodes succeeded.')
    if now.message and (before is None or now.message != before.message):
        sentences.append(now.message + '.')
    if now.hint and (before is None or now.hint != before.hint):
        sentences.append(now.hint + '.')
    return sentences
