"""1-D CNN: convolutions of several widths side by side, each a detector of short patterns wherever they stand.

Inputs: `x_BTC` features of each step, `mask_BT` 1 where there is a step, 0 where there is padding.
Output: `h_BTD`, D = filters × number of widths; step t has seen the steps within half the largest kernel around t or,
if `causal`, a kernel's width of steps up to and with t. With a GRU on top, D = its units and its memory is longer.

Padded steps are zero before every convolution, just like the steps beyond the ends of the sequence, so how far a row is
padded never changes what is computed of its steps.

Sources: Y. Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014 (widths side by side); A.
Géron, "Hands-On Machine Learning", 3rd edition, chapter 15 (a GRU on top).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from training.models.architecture import ALL_AT_ONCE, CLIPPING, Architecture, Statements, layers
from training.models.rnn import RNN, RNNConfig
from training.models.steps import newest


@dataclass(frozen=True)
class CNNConfig:
    """Settings of `CNN`."""

    filters: int
    """Per width."""
    kernel_sizes: tuple[int, ...]
    """Widths of the convolutions side by side, in steps; odd, unless `causal`."""
    residual_layers: int = 0
    """Further convolutions of width 3, one after another, each added to what it reads."""
    causal: bool = False
    """Let a convolution end at its step instead of being centred on it."""
    gru_units: int = 0
    """Units of a GRU on top, which reads both ways unless `causal`; 0 for none."""
    dropout: float = 0.0
    """Of what each further layer reads."""


class CNN(nn.Module):
    """See the module's docstring."""

    def __init__(self, num_inputs: int, config: CNNConfig) -> None:
        super().__init__()
        if not config.causal and any(size % 2 == 0 for size in config.kernel_sizes):
            raise ValueError("kernel_sizes must be odd, so that a convolution is centred on its step")
        self.causal = config.causal
        self.receptive_field = None if config.gru_units else max(config.kernel_sizes) + 2 * config.residual_layers
        width = config.filters * len(config.kernel_sizes)
        self.side_by_side = nn.ModuleList(nn.Conv1d(num_inputs, config.filters, size) for size in config.kernel_sizes)
        self.residual = nn.ModuleList(nn.Conv1d(width, width, 3) for _ in range(config.residual_layers))
        self.dropout = nn.Dropout(config.dropout)
        self.num_outputs = width
        self.gru: RNN | None = None
        if config.gru_units:
            self.gru = RNN(width, RNNConfig("gru", config.gru_units, bidirectional=not config.causal))
            self.num_outputs = self.gru.num_outputs

    def forward(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        h_BTD = self._patterns(x_BTC, mask_BT)
        return h_BTD if self.gru is None else self.gru(self.dropout(h_BTD), mask_BT)

    def last(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """The last step's output `[B, D]`."""
        if self.gru is not None:
            return self.gru.last(self.dropout(self._patterns(x_BTC, mask_BT)), mask_BT)
        h_BTD: Tensor = self(*newest(self.receptive_field, x_BTC, mask_BT))
        return h_BTD[:, -1]

    def _patterns(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """What the convolutions find at each step, `[B, T, filters × widths]`."""
        mask_B1T = mask_BT.unsqueeze(1)
        x_BCT = x_BTC.transpose(1, 2) * mask_B1T
        h_BDT = torch.cat([self._convolved(x_BCT, convolution) for convolution in self.side_by_side], dim=1)
        for convolution in self.residual:
            h_BDT = h_BDT + self._convolved(self.dropout(h_BDT) * mask_B1T, convolution)
        return (h_BDT * mask_B1T).transpose(1, 2)

    def _convolved(self, x_BCT: Tensor, convolution: Any) -> Tensor:
        """One convolution and its ReLU, with zeros beyond the ends so that as many steps come out as go in."""
        size = convolution.kernel_size[0]
        if self.causal:
            return F.relu(convolution(F.pad(x_BCT, (size - 1, 0))))
        return F.relu(F.conv1d(x_BCT, convolution.weight, convolution.bias, padding=size // 2))


def statements(settings: CNNConfig) -> Statements:
    """For a report of comparisons."""
    widest = max(settings.kernel_sizes) + 2 * settings.residual_layers
    order = f"Within patterns of up to {widest} steps, wherever they stand" if widest > 1 else "No"
    depth = f"{layers(1 + settings.residual_layers)} deep, however long the sequence; ReLU doesn't saturate"
    if settings.residual_layers:
        depth += "; a way around each further layer"
    if not settings.gru_units:
        return Statements(order, ALL_AT_ONCE, depth)
    return Statements(
        f"{order}; the GRU on top knows the order of the patterns",
        "The convolutions are, the GRU on top waits step by step",
        f"{depth}; in the GRU they run through every step: orthogonal recurrent weights, gates, {CLIPPING}",
    )


CNN_ARCHITECTURE = Architecture(
    config=CNNConfig,
    module=CNN,
    statements=statements,
    settings={
        "spam": CNNConfig(filters=96, kernel_sizes=(1, 3, 5)),
        "short_texts": CNNConfig(filters=96, kernel_sizes=(1, 3, 5)),
        "sentiment": CNNConfig(filters=128, kernel_sizes=(1, 3, 5)),
        "ridership": CNNConfig(filters=32, kernel_sizes=(3, 7, 15), residual_layers=2, causal=True, dropout=0.1),
        "forecast": CNNConfig(filters=16, kernel_sizes=(3, 7, 14), causal=True, gru_units=48),
        "shapes": CNNConfig(filters=16, kernel_sizes=(3, 7, 15), residual_layers=2, causal=True),
    },
    colour="#0072b2",
    marker="D",
)
