"""What every loader of labelled texts returns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.manifest import TrainingData


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and their labels, in step."""

    texts: list[str]
    labels: list[str]

    def at(self, rows: Sequence[int] | NDArray[np.int64]) -> "LabelledTexts":
        """The rows at these indices."""
        return LabelledTexts([self.texts[row] for row in rows], [self.labels[row] for row in rows])


@dataclass(frozen=True)
class TextSplit:
    """Training and validation part, and where they come from."""

    train: LabelledTexts
    valid: LabelledTexts
    described: TrainingData
