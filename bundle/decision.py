"""Probabilities to the label answered: the one rule that training measures by and the service answers by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.manifest import ClassifySpec


@dataclass(frozen=True)
class OperatingPoint:
    """Call it the positive class at this score or above."""

    positive: int
    threshold: float

    @classmethod
    def of(cls, spec: ClassifySpec) -> "OperatingPoint | None":
        """That of a bundle, if it has one."""
        if spec.positive_label is None or spec.threshold is None:
            return None
        return cls(spec.labels.index(spec.positive_label), spec.threshold)


def decide(probabilities: NDArray[np.floating], operating_point: OperatingPoint | None) -> NDArray[np.int64]:
    """Index of the label answered, classes along the last axis: where there is an operating point, it decides first."""
    others = probabilities.astype(np.float64)
    if operating_point is None:
        return np.asarray(others.argmax(axis=-1))
    reached = others[..., operating_point.positive] >= operating_point.threshold
    others[..., operating_point.positive] = -np.inf
    return np.where(reached, operating_point.positive, others.argmax(axis=-1))
