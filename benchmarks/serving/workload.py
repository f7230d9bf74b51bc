"""What is asked: requests of so many texts of so many words, or of so many series of so many points.

Texts and series are made here, from a seed, and differ from request to request, so that nothing is answered from a
cache that real texts wouldn't hit.
"""

import random
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.contender import Dialect, Request, Rows
from bundle.store import list_versions, version_folder

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "models_store"
SHORT, LONG = 12, 300
"""Words of a text."""
TEXT_MODEL = "spam-cnn"
ANY_LENGTH_MODEL = "forecast-cnn"
SERIES_MODELS = {112: "ridership-wavenet", 10_000: ANY_LENGTH_MODEL}
"""The forecaster for series of up to so many points."""
NUM_ROWS = 512
"""Different rows of one workload, at least, spread over its requests."""

WORDS = Path(__file__).with_name("words.txt").read_text().split()


@dataclass(frozen=True)
class Workload:
    """What one request asks for."""

    kind: str
    """`texts` or `series`."""
    count: int
    """Texts or series a request."""
    length: int
    """Words a text, or points a series."""
    model: str | None = None
    """Name of a shipped bundle; None: the one for such rows."""

    @property
    def bundle(self) -> Path:
        """The newest version of the shipped bundle that is asked."""
        model = self.model or TEXT_MODEL
        if self.model is None and self.kind == "series":
            model = next(name for points, name in SERIES_MODELS.items() if self.length <= points)
        return version_folder(STORE, model, list_versions(STORE)[model][-1])

    def rows(self, seed: int = 0) -> list[Rows]:
        """The rows of each of the different requests."""
        drawn = random.Random(f"{seed} {self.kind} {self.count} {self.length}")
        num_requests = max(4, -(-NUM_ROWS // self.count))
        if self.kind == "texts":
            return [[text(drawn, self.length) for _ in range(self.count)] for _ in range(num_requests)]
        return [[series(drawn, self.length) for _ in range(self.count)] for _ in range(num_requests)]

    def requests(self, dialect: Dialect, seed: int = 0) -> list[Request]:
        """Different requests of this kind, for wrk to go through."""
        return [dialect.ask(self.bundle.parent.name, rows) for rows in self.rows(seed)]


def text(drawn: random.Random, num_words: int) -> str:
    """Everyday words, and now and then a number; all of different lengths and in different orders."""
    words = [str(drawn.randrange(10_000)) if drawn.random() < 0.05 else drawn.choice(WORDS) for _ in range(num_words)]
    return " ".join(words)


def series(drawn: random.Random, num_points: int) -> list[float]:
    """A level with a season of seven and noise, to two decimals."""
    level = drawn.uniform(100, 100_000)
    season = [drawn.gauss(1, 0.2) for _ in range(7)]
    return [round(level * season[step % 7] * drawn.gauss(1, 0.05), 2) for step in range(num_points)]
