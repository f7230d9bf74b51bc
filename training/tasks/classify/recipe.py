"""What decides a published text classifier."""

from dataclasses import dataclass
from typing import Any, ClassVar

from training.data.loaders import LABELLED_TEXTS, TextSource
from training.data.own_texts import OwnTexts
from training.fit import Schedule
from training.models.text_classifier import TextClassifierConfig
from training.tasks.classify.tokenizer import TokenizerConfig


@dataclass(frozen=True)
class ClassifyRecipe:
    """Everything that decides a published text classifier."""

    task: ClassVar[str] = "classify"
    name: str
    alias: str | None
    """Short name that the first published version gets; None for none."""
    data: str | OwnTexts
    """Name of a data set in `training.data.LABELLED_TEXTS`, or an own file."""
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
    """Into which the training part is divided."""
    num_folds_left_out: int
    """Of those, how many are left out in turn: fewer where there are texts enough for choices in one of them."""
    golden_texts: tuple[str, ...]
    intended_use: str
    limits: str

    def source(self) -> TextSource:
        """Where the texts come from."""
        return LABELLED_TEXTS[self.data] if isinstance(self.data, str) else self.data
