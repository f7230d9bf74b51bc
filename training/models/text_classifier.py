"""Text classifier: token ids -> embedding -> any architecture -> maximum or mean over the steps -> class.

Inputs: `ids_BT` int64, 0 pads; every row begins with a start token, so none is empty.
Output: `logits_BK`, one per class; `CalibratedClassifier` turns them into `probabilities_BK` for the bundle.

Maximum and mean are taken over a row's own tokens: padding can't win, and says nothing. The maximum finds a telling
passage wherever it stands; with the mean, a `linear` body of window 1 is a bag of words. `both` has them side by side:
long texts have something of everything somewhere, and it is the share that tells.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from bundle.tasks.classify.text import PAD_ID
from training.models import ARCHITECTURES, Config

Pooling = Literal["maximum", "mean", "both"]


@dataclass(frozen=True)
class TextClassifierConfig:
    """Settings of `TextClassifier`, the architecture's own apart."""

    embedding_dim: int
    embedding_dropout: float
    dropout: float
    pooling: Pooling = "maximum"


class TextClassifier(nn.Module):
    """See the module's docstring."""

    def __init__(
        self, vocabulary_size: int, num_classes: int, config: TextClassifierConfig, architecture: str, settings: Config
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, config.embedding_dim, padding_idx=PAD_ID)
        nn.init.normal_(self.embedding.weight, std=0.5)
        with torch.no_grad():
            self.embedding.weight[PAD_ID] = 0
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.body = ARCHITECTURES[architecture].build(config.embedding_dim, settings)
        self.pooling = config.pooling
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(self.body.num_outputs * (2 if config.pooling == "both" else 1), num_classes)

    def forward(self, ids_BT: Tensor) -> Tensor:
        present_BT = ids_BT != PAD_ID
        x_BTC = self.embedding_dropout(self.embedding(ids_BT).float())
        h_BTD = self.body(x_BTC, present_BT.float())
        logits_BK: Tensor = self.output(self.dropout(self._pooled(h_BTD, present_BT.unsqueeze(2))))
        return logits_BK

    def halve_vectors(self) -> None:
        """Once fitted, keep the tokens' vectors as float16: most of a model's memory, and exact to a part in 2,000.

        Only the vectors of the tokens at hand become float32, when they are looked up.
        """
        self.embedding.half()

    def _pooled(self, h_BTD: Tensor, present_BT1: Tensor) -> Tensor:
        pooled = []
        if self.pooling != "mean":
            pooled.append(torch.where(present_BT1, h_BTD, -1e9).amax(dim=1))
        if self.pooling != "maximum":
            pooled.append((h_BTD * present_BT1).sum(dim=1) / present_BT1.sum(dim=1))
        return pooled[0] if len(pooled) == 1 else torch.cat(pooled, dim=1)


class CalibratedClassifier(nn.Module):
    """The graph of the bundle: `ids:int64[batch,time]` -> `probabilities:float32[batch,classes]`.

    The temperature divides the logits (C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
    """

    def __init__(self, classifier: nn.Module, temperature: float) -> None:
        super().__init__()
        self.classifier = classifier
        self.register_buffer("temperature", torch.tensor(float(temperature)))

    def forward(self, ids: Tensor) -> Tensor:
        return torch.softmax(self.classifier(ids) / self.temperature, dim=-1)
