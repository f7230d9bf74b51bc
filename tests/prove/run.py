"""What every trial is given."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One run of one promise."""

    folder: Path
    """Empty, and its own."""
    quick: bool
    """Short enough for CI; the counts are smaller, the promise is the same."""
    sabotaged: bool
    """The promise is to be broken on purpose."""
    soak_seconds: float
    guided_seconds: float
    seed: int

    def count(self, full: float, quick: float) -> int:
        """How many, or how long."""
        return round(quick if self.quick else full)

    def least(self, full: float, quick: float) -> float:
        """A bound: a few seconds on a busy machine tell less than a minute."""
        return quick if self.quick else full
