"""Why servos do not answer: they have another id or baud rate, or only part of the bus works."""

from so101_description.joints import SERVO_IDS

from .bus import Bus, NoAnswer
from .scan import Found, scan
from .serial_port import BAUD_RATE

MOTORS = 'run ./cell motors'


def answering(bus: Bus) -> list[int]:
    """Return the ids of an arm that answer now."""
    present = []
    for number in SERVO_IDS.values():
        try:
            bus.ping(number)
            present.append(number)
        except NoAnswer:
            pass
    return present


def missing_servos(bus: Bus) -> str:
    """Return a part of a sentence: which servos answer, and where those are that do not.

    The servos are a chain, so the first silent one is a hint.
    """
    present = answering(bus)
    hint = f'; on this bus answer: {", ".join(map(str, present)) or "none"}'
    absent = [number for number in SERVO_IDS.values() if number not in present]
    if not absent:
        return hint
    strays = [
        found for found in scan(bus) if not (found.rate == BAUD_RATE and found.id in present)
    ]
    return hint + _strays(absent, strays)


def _strays(absent: list[int], strays: list[Found]) -> str:
    if not strays:
        return ''
    places = ', '.join(str(found) for found in strays)
    if len(absent) == len(strays) == 1 and strays[0].clean:
        return f'; servo {absent[0]} answers as {places}: {MOTORS}'
    numbers = ', '.join(map(str, absent))
    return f'; of servos {numbers} answer, with wrong settings: {places}: {MOTORS}'


def silent_in_sync_read(bus: Bus, arm: str, joints: str) -> NoAnswer:
    """Return the error for joints (names, with commas) that do not answer a sync read."""
    present = answering(bus)
    alone = ', '.join(joint for joint in joints.split(', ') if SERVO_IDS[joint] in present)
    return NoAnswer(
        f'{bus.path}: {joints} of the {arm} do not answer a sync read; '
        + (
            f'{alone} answer when asked alone: their firmware does not know sync reads, or the '
            "bus is disturbed; update the firmware with Feetech's debug program, or shorten the "
            'cables'
            if alone
            else 'check their plugs'
        )
    )
