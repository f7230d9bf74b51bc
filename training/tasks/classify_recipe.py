"""What decides a published text classifier."""

from dataclasses import dataclass
from typing import Any, ClassVar

from training.fit import Schedule
from training.models.text_classifier import TextClassifierConfig
from training.tokenizer import TokenizerConfig


@dataclass(frozen=True)
class ClassifyRecipe:
    """Everything that decides a published text classifier."""

    task: ClassVar[str] = "classify"
    name: str
    alias: str
    data: str
    """Name of a data set in `training.data.LABELLED_TEXTS`."""
    labels: tuple[str, ...]
    positive_label: str | None
    """The label that an operating threshold is chosen for; None where no label is the one to be found."""
    architecture: str
    settings: Any
    """Of the architecture."""
    network: TextClassifierConfig
    tokenizer: TokenizerConfig
    max_tokens: int
    mask_probability: float
    """Share of the tokens hidden in training, so that no single one decides."""
    balanced: bool
    """Weigh every class alike in the loss, however rare it is in training: for macro recall."""
    fragment_probability: float
    """Share of the texts of which training shows a fragment only, so that short ones are told apart too."""
    schedule: Schedule
    num_folds: int
    golden_texts: tuple[str, ...]
    intended_use: str
    limits: str
