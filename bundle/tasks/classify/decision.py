"""Probabilities to the label answered: the one rule that training measures by and the service answers by."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.classify.spec import ClassifySpec


class OperatingPoint(NamedTuple):
    """Call it the positive class at this score or above."""

    positive: int
    threshold: float

    @classmethod
    def of(cls, spec: ClassifySpec) -> "OperatingPoint | None":
        """That of a bundle, if it has one."""
        if spec.positive_label is None or spec.threshold is None:
            return None
        return cls(spec.labels.index(spec.positive_label), spec.threshold)


def decide(probabilities: Sequence[float], operating_point: OperatingPoint | None) -> int:
    """Index of the label answered: where there is an operating point, it decides first. Of equals the first wins."""
    if operating_point is None:
        return probabilities.index(max(probabilities))
    positive = operating_point.positive
    if probabilities[positive] >= operating_point.threshold:
        return positive
    if len(probabilities) == 2:
        return 1 - positive
    return max((index for index in range(len(probabilities)) if index != positive), key=probabilities.__getitem__)


def decide_all(probabilities: NDArray[np.floating], operating_point: OperatingPoint | None) -> NDArray[np.int64]:
    """The same for each row of `probabilities[rows, classes]`."""
    rows = probabilities.astype(np.float64).tolist()
    return np.array([decide(row, operating_point) for row in rows], dtype=np.int64)
