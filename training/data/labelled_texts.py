"""What every loader of labelled texts returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bundle.manifest import TrainingData


class Origin(NamedTuple):
    """Where a text comes from, for figures by its parts and for leaving a source out."""

    source: str
    channel: str
    kind: str
    language: str
    template: str | None = None
    """Of a text written with slots, which can be filled anew."""


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and their labels, in step."""

    texts: list[str]
    labels: list[str]
    origins: list[Origin] = field(default_factory=list)
    """One a text, or none at all."""

    def at(self, rows: Sequence[int] | NDArray[np.int64]) -> "LabelledTexts":
        """The rows at these indices."""
        return LabelledTexts(
            [self.texts[row] for row in rows],
            [self.labels[row] for row in rows],
            [self.origins[row] for row in rows] if self.origins else [],
        )

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class TextSplit:
    """Training and validation part, and where they come from."""

    train: LabelledTexts
    valid: LabelledTexts
    """To report: read once, at the end."""
    described: list[TrainingData]
    choose: LabelledTexts | None = None
    """To choose epoch, threshold and temperature by; None where folds of the training part are left out for that."""
