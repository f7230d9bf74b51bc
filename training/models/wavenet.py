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

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from training.models.steps import newest


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
        self.config = config
        self.num_outputs = config.skip_channels
        self.receptive_field = config.receptive_field
        self.input = nn.Linear(num_inputs, config.residual_channels)
        self.layers: Any = nn.ModuleList(_GatedLayer(config, dilation) for dilation in config.dilations)
        self.layers[-1].residual = nn.Identity()  # nothing reads the stream behind the last layer: no weights for it

    def forward(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        mask_BT1 = mask_BT.unsqueeze(2)
        residual_BTR = self.input(x_BTC)
        gates = []
        for layer in self.layers:
            residual_BTR, gated_BTR = layer(residual_BTR * mask_BT1)
            gates.append(gated_BTR)
        return F.relu(self._skipped(gates))

    def last(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """The last step's output `[B, D]`, computed from those steps of each layer alone that it depends on.

        They stand evenly apart, the further the later the layer (`thinning`): N of the T steps.
        """
        reach = self.receptive_field - 1
        x_BTC, mask_BT = F.pad(x_BTC, (0, 0, reach, 0)), F.pad(mask_BT, (reach, 0))
        x_BTC, mask_BT = newest(self.receptive_field, x_BTC, mask_BT)
        first_apart, thinned = thinning(self.config.dilations)
        residual_BNR, mask_BN1 = self.input(x_BTC[:, ::first_apart]), mask_BT[:, ::first_apart].unsqueeze(2)
        gates = []
        for layer, (dilation, stride) in zip(self.layers, thinned, strict=True):
            kept = slice((self.config.kernel_size - 1) * dilation, None, stride)
            gated_BNR = layer.gated(residual_BNR * mask_BN1, dilation, stride)
            gates.append(gated_BNR[:, -1:])
            residual_BNR, mask_BN1 = residual_BNR[:, kept] + layer.residual(gated_BNR), mask_BN1[:, kept]
        return F.relu(self._skipped(gates))[:, 0]

    def _skipped(self, gates: list[Tensor]) -> Tensor:
        """The sum of the skips `[B, T, S]`: all layers' 1×1 convolutions as one."""
        weights = torch.cat([layer.skip.weight for layer in self.layers], dim=1)
        bias = torch.stack([layer.skip.bias for layer in self.layers]).sum(dim=0)
        return F.linear(torch.cat(gates, dim=2), weights, bias)


def thinning(dilations: tuple[int, ...]) -> tuple[int, list[tuple[int, int]]]:
    """What the last output depends on: how many steps apart the inputs are; dilation and stride of each layer in these.

    For dilations of 1, 2, 4, …, every layer but the last has a dilation of 1 and a stride of 2.
    """
    apart, layers = 0, []  # of the one output
    for dilation in reversed(dilations):
        below = math.gcd(dilation, apart)
        layers.append((dilation // below, max(apart // below, 1)))
        apart = below
    return apart, layers[::-1]


class _GatedLayer(nn.Module):
    """One dilated causal convolution behind a gate: the residual stream behind it, and what the skip is made of."""

    def __init__(self, config: WaveNetConfig, dilation: int) -> None:
        super().__init__()
        channels = config.residual_channels
        self.dilation, self.kernel_size = dilation, config.kernel_size
        self.dropout = nn.Dropout(config.dropout)
        self.filter_and_gate = nn.Conv1d(channels, 2 * channels, config.kernel_size, dilation=dilation)
        self.residual = nn.Linear(channels, channels)
        self.skip = nn.Linear(channels, config.skip_channels)

    def forward(self, x_BTR: Tensor) -> tuple[Tensor, Tensor]:
        padded = F.pad(self.dropout(x_BTR), (0, 0, (self.kernel_size - 1) * self.dilation, 0))
        gated_BTR = self.gated(padded, self.dilation)
        return x_BTR + self.residual(gated_BTR), gated_BTR

    def gated(self, x_BTR: Tensor, dilation: int, stride: int = 1) -> Tensor:
        """The gated convolution, without padding, of steps of which every `dilation`-th is seen by a kernel."""
        behind = [(self.kernel_size - 1 - place) * dilation for place in range(self.kernel_size)]
        seen = [x_BTR[:, behind[0] - steps : x_BTR.shape[1] - steps : stride] for steps in behind]
        weights = self.filter_and_gate.weight.permute(0, 2, 1).flatten(1)
        both = F.linear(torch.cat(seen, dim=2), weights, self.filter_and_gate.bias)
        channels = x_BTR.shape[2]
        return torch.tanh(both[..., :channels]) * torch.sigmoid(both[..., channels:])
