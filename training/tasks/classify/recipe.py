"""What decides a published text classifier."""

from dataclasses import dataclass
from typing import Any, ClassVar

from bundle.tasks.classify.doubt import Doubt
from bundle.tasks.classify.reading import Step
from bundle.tasks.classify.windows import Windows
from training.data.loaders import LABELLED_TEXTS, TextSource
from training.data.own_texts import OwnTexts
from training.fit import Schedule
from training.models.text_classifier import TextClassifierConfig
from training.tasks.classify.augmentation import Augmentation
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
    reading: tuple[Step, ...] = ()
    """Steps from a text as sent to what is divided into tokens."""
    windows: Windows | None = None
    """How texts beyond `max_tokens` are read; None: they are cut off."""
    doubt: Doubt | None = None
    """Which texts the model can't judge."""
    augmentation: Augmentation | None = None
    """How texts are changed in training; None: by `fragment_probability` alone."""
    sources_left_out: tuple[tuple[str, ...], ...] = ()
    """Groups of sources, each left out of a fit of its own, to see what the model says of sources it doesn't know."""

    def source(self) -> TextSource:
        """Where the texts come from."""
        return LABELLED_TEXTS[self.data] if isinstance(self.data, str) else self.data
