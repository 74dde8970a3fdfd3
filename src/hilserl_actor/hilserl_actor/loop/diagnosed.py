"""What the preflight reads of /diagnostics: faults of servos, links of buses, the cameras."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from so101_node import names

DRIVERS = [f'driver: {arm}' for arm in names.ARMS]  # names in /diagnostics
CAMERA = 'camera: '  # the names of cameras begin with this
MOST = 16  # statuses that are stored; a cell has two drivers and a few cameras
ERROR = 2  # DiagnosticStatus.ERROR
STEADY = 2.0  # s for which a bus must hold before `./cell preflight` passes
STEADY_AGAIN = 5.0  # s, before any start, if it was lost since the driver's start
SLOW = 0.8  # share of the rate that a camera must deliver


@dataclass(frozen=True)
class _Status:
    level: int
    message: str
    values: Mapping[str, str] = field(default_factory=dict)

    def number(self, key: str) -> float | None:
        """Return a value as a number; None if it is missing or no number."""
        try:
            return float(self.values[key])
        except (KeyError, ValueError):
            return None


class Diagnosed:
    """The last status of each driver and camera."""

    def __init__(self) -> None:
        self._statuses: dict[str, _Status] = {}

    def note(self, name: str, level: int, message: str, values: Mapping[str, str]) -> None:
        """Store one status; name: without the cell's namespace."""
        has_room = name in self._statuses or len(self._statuses) < MOST
        if name in DRIVERS or (name.startswith(CAMERA) and has_room):
            self._statuses[name] = _Status(level, message, values)

    def faults(self) -> str:
        """Return the errors of the drivers, or ''."""
        return '; '.join(
            f'{name.removeprefix("driver: ")}: {status.message}'
            for name, status in sorted(self._statuses.items())
            if name in DRIVERS and status.level == ERROR
        )

    def unsteady_links(self, strict: bool) -> str:
        """Return a sentence on buses that were lost a short time ago, or ''.

        strict: a bus that was never lost must have been up for STEADY, too.
        """
        problems = []
        for name in DRIVERS:
            status = self._statuses.get(name)
            count = status.number('reconnects') if status else None
            steady = status.number('link_steady_s') if status else None
            if count is None or steady is None:
                continue
            arm = name.removeprefix('driver: ')
            if count and steady < STEADY_AGAIN:
                problems.append(
                    f'{arm}: its bus was lost and reconnected {count:.0f} times, the last time '
                    f'{steady:.1f} s ago; check plug, cable and supply: it must hold for '
                    f'{STEADY_AGAIN:.0f} s'
                )
            elif strict and steady < STEADY:
                problems.append(f'{arm}: its bus is up for {steady:.1f} s, not yet {STEADY:.0f} s')
        return '; '.join(problems)

    def slow_cameras(self) -> str:
        """Return a sentence on cameras that deliver fewer images than they should, or ''."""
        problems = []
        for name, status in sorted(self._statuses.items()):
            rate, wanted = status.number('rate_hz'), status.number('rate_wanted_hz')
            if rate is None or wanted is None or rate >= SLOW * wanted:
                continue
            problems.append(
                f'{name.removeprefix(CAMERA)} delivers {rate:.1f} images/s of {wanted:.1f}; use '
                'more light (a long exposure slows a camera), a smaller image, another USB '
                'socket, or a lower camera_rate'
            )
        return '; '.join(problems)
