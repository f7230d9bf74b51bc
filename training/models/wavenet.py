"""WaveNet: dilated causal convolutions with gates, residual and skip connections.

Inputs: `x_BTC` features of each step, `mask_BT` 1 where there is a step, 0 where there is padding.
Output: `h_BTD`, D = skip channels; step t has seen the `receptive_field` steps up to and with t, none after it.

    x ─ 1×1 ─┬─ dilated conv ─ tanh(a)·σ(b) ─ 1×1 ─ + ─ … next layer
             └──────────────────────│───────────────┘
                                   1×1 ─ summed over layers ─ ReLU ─ h

Each layer looks `(kernel_size - 1) · dilation` steps further back, so the receptive field is
R = 1 + Σ (kernel_size - 1) · dilation. The past before the first step is zero: left padding of exactly that length is
written into the graph, and padded steps are zero before every convolution.

Source: A. van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016, arXiv:1609.03499.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it


@dataclass(frozen=True)
class WaveNetConfig:
    """Settings of `WaveNet`."""

    residual_channels: int
    skip_channels: int
    dilations: tuple[int, ...]
    """One per layer, e.g. (1, 2, 4, 8) twice over."""
    kernel_size: int = 2
    dropout: float = 0.0
    """Of the residual stream, before each convolution."""

    @property
    def receptive_field(self) -> int:
        """Steps that one output has seen, its own included."""
        return 1 + sum((self.kernel_size - 1) * dilation for dilation in self.dilations)


class WaveNet(nn.Module):
    """See the module's docstring."""

    causal = True

    def __init__(self, num_inputs: int, config: WaveNetConfig) -> None:
        super().__init__()
        self.num_outputs = config.skip_channels
        self.receptive_field = config.receptive_field
        self.input = nn.Conv1d(num_inputs, config.residual_channels, 1)
        self.layers = nn.ModuleList(_GatedLayer(config, dilation) for dilation in config.dilations)
        self.layers[-1].residual = nn.Identity()  # nothing reads the stream behind the last layer: no weights for it

    def forward(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        mask_B1T = mask_BT.unsqueeze(1)
        residual_BRT = self.input(x_BTC.transpose(1, 2))
        skips = []
        for layer in self.layers:
            residual_BRT, skip_BST = layer(residual_BRT * mask_B1T)
            skips.append(skip_BST)
        return F.relu(torch.stack(skips).sum(dim=0)).transpose(1, 2)


class _GatedLayer(nn.Module):
    """One dilated causal convolution behind a gate: what it adds to the residual stream, and its skip."""

    def __init__(self, config: WaveNetConfig, dilation: int) -> None:
        super().__init__()
        channels = config.residual_channels
        self.left_padding = (config.kernel_size - 1) * dilation
        self.dropout = nn.Dropout(config.dropout)
        self.filter_and_gate = nn.Conv1d(channels, 2 * channels, config.kernel_size, dilation=dilation)
        self.residual = nn.Conv1d(channels, channels, 1)
        self.skip = nn.Conv1d(channels, config.skip_channels, 1)

    def forward(self, x_BRT: Tensor) -> tuple[Tensor, Tensor]:
        padded = F.pad(self.dropout(x_BRT), (self.left_padding, 0))
        filter_BRT, gate_BRT = self.filter_and_gate(padded).chunk(2, dim=1)
        gated_BRT = torch.tanh(filter_BRT) * torch.sigmoid(gate_BRT)
        return x_BRT + self.residual(gated_BRT), self.skip(gated_BRT)
