"""What an export wrote, for its last lines."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Exported:
    """What an export wrote."""

    directory: Path
    episodes: int = 0
    rows: int = 0
    human: int = 0  # rows that a human drove
    outcomes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    gaps: int = 0  # neighbouring rows between which a step is missing
    notes: list[str] = field(default_factory=list)
