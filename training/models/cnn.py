"""1-D CNN: convolutions of several widths side by side, each a detector of short patterns wherever they stand.

Inputs: `x_BTC` features of each step, `mask_BT` 1 where there is a step, 0 where there is padding.
Output: `h_BTD`, D = filters × number of widths; step t has seen the steps within half the largest kernel around t.

Padded steps are zero before every convolution, just like the steps beyond the ends of the sequence, so how far a row is
padded never changes what is computed of its steps.

Source: Y. Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014 (widths side by side).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it


@dataclass(frozen=True)
class CNNConfig:
    """Settings of `CNN`."""

    filters: int
    """Per width."""
    kernel_sizes: tuple[int, ...]
    """Widths of the convolutions side by side, odd, in steps."""
    residual_layers: int = 0
    """Further convolutions of width 3, one after another, each added to what it reads."""


class CNN(nn.Module):
    """See the module's docstring."""

    causal = False

    def __init__(self, num_inputs: int, config: CNNConfig) -> None:
        super().__init__()
        if any(size % 2 == 0 for size in config.kernel_sizes):
            raise ValueError("kernel_sizes must be odd, so that a convolution is centred on its step")
        self.num_outputs = config.filters * len(config.kernel_sizes)
        self.side_by_side = nn.ModuleList(
            nn.Conv1d(num_inputs, config.filters, size, padding=size // 2) for size in config.kernel_sizes
        )
        self.residual = nn.ModuleList(
            nn.Conv1d(self.num_outputs, self.num_outputs, 3, padding=1) for _ in range(config.residual_layers)
        )

    def forward(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        mask_B1T = mask_BT.unsqueeze(1)
        x_BCT = x_BTC.transpose(1, 2) * mask_B1T
        h_BDT = torch.cat([F.relu(convolution(x_BCT)) for convolution in self.side_by_side], dim=1)
        for convolution in self.residual:
            h_BDT = h_BDT + F.relu(convolution(h_BDT * mask_B1T))
        return (h_BDT * mask_B1T).transpose(1, 2)
