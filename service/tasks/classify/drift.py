"""How far recent texts have moved from those a classifier was measured on: live counts by bin of its reference.

Each text counts one, and older ones fade: after `FADING_ROWS` further texts of this process one weighs 37 % of that. So
the counts speak of the last few thousand texts, however many came before.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.classify.reference import Reference, population_stability_index

FADING_ROWS = 5000
FEWEST_ROWS = 500
"""Fewer texts say nothing yet: chance alone moves ten bins by 9/500 = 0.018."""


class RecentTexts:
    """Counts of recent texts, by bin of score and length and by label."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._counts = {of: np.zeros(len(shares)) for of, (shares, _) in _shares(reference).items()}
        self._labels = {label: index for index, label in enumerate(reference.labels)}
        self._uncounted: list[tuple[str, float, int]] = []
        self.has_news = False
        """Whether `counts` would give others than it did last."""

    def add(self, labels: Sequence[str], scores: Sequence[float], lengths: Sequence[int]) -> None:
        """Take note of texts and their answers; `scores` are those of `reference.score`."""
        self._uncounted += zip(labels, scores, lengths, strict=True)
        self.has_news = True
        if len(self._uncounted) >= FADING_ROWS:
            self._count_all()

    def counts(self) -> dict[str, dict[str, float]]:
        """Faded counts, by what they are of and by the name of the bin."""
        self._count_all()
        self.has_news = False
        return {
            of: dict(zip(names, self._counts[of].tolist(), strict=True))
            for of, (_, names) in _shares(self._reference).items()
        }

    def _count_all(self) -> None:
        if not self._uncounted:
            return
        labels, scores, lengths = zip(*self._uncounted, strict=True)
        self._uncounted.clear()
        self._count("scores", self._reference.scores.bins_of(scores))
        self._count("lengths", self._reference.lengths.bins_of(lengths))
        self._count("labels", np.array([self._labels[label] for label in labels]))

    def _count(self, of: str, bins: NDArray[np.int64]) -> None:
        counts = self._counts[of]
        counts *= (1 - 1 / FADING_ROWS) ** len(bins)
        counts += np.bincount(bins, minlength=len(counts))


def stability_index(reference: Reference, of: str, counts: dict[str, float]) -> float | None:
    """The population stability index of `scores`, `lengths` or `labels`; None while there are too few texts."""
    shares, names = _shares(reference)[of]
    live = np.array([counts.get(name, 0.0) for name in names])
    if live.sum() < FEWEST_ROWS:
        return None
    live[live < 0.5] = 0  # what has all but faded is as good as empty, which the index has a rule for
    return population_stability_index(shares, reference.num_rows, live)


def _shares(reference: Reference) -> dict[str, tuple[list[float], list[str]]]:
    """Shares and names of the bins."""
    by_bin = {"scores": reference.scores.shares, "lengths": reference.lengths.shares}
    return {
        **{of: (shares, [str(index) for index in range(len(shares))]) for of, shares in by_bin.items()},
        "labels": (list(reference.labels.values()), list(reference.labels)),
    }
