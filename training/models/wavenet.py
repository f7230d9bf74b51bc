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

from training.models.architecture import ALL_AT_ONCE, Architecture, Statements, layers
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
        residual_1RBT, mask_11BT = self.input(x_BTC).permute(2, 0, 1)[None], mask_BT[None, None]
        gates = []
        for layer in self.layers:
            residual_1RBT, gated_1RBT = layer(residual_1RBT * mask_11BT)
            gates.append(gated_1RBT)
        return self._output(gates)

    def last(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """The last step's output `[B, D]`, computed from those steps of each layer alone that it depends on.

        They stand evenly apart, the further the later the layer (`thinning`): N of the T steps.
        """
        reach = self.receptive_field - 1
        x_BTC, mask_BT = F.pad(x_BTC, (0, 0, reach, 0)), F.pad(mask_BT, (reach, 0))
        x_BTC, mask_BT = newest(self.receptive_field, x_BTC, mask_BT)
        apart, thinned = thinning(self.config.dilations)
        residual_1RBN, mask_11BN = self.input(x_BTC[:, ::apart]).permute(2, 0, 1)[None], mask_BT[None, None, :, ::apart]
        gates = []
        for layer, (dilation, stride) in zip(self.layers, thinned, strict=True):
            kept = slice((self.config.kernel_size - 1) * dilation, None, stride)
            gated_1RBN = layer.gated(residual_1RBN * mask_11BN, dilation, stride)
            gates.append(gated_1RBN[..., -1:])
            residual_1RBN, mask_11BN = layer.added(residual_1RBN[..., kept], gated_1RBN), mask_11BN[..., kept]
        return self._output(gates)[:, 0]

    def _output(self, gates: list[Tensor]) -> Tensor:
        """ReLU of the sum of the skips `[B, T, S]`: all layers' 1×1 convolutions as one."""
        weights_SL = torch.cat([layer.skip.weight for layer in self.layers], dim=1)
        bias_S = torch.stack([layer.skip.bias for layer in self.layers]).sum(dim=0)
        skips_1SBT = F.conv2d(torch.cat(gates, dim=1), weights_SL[:, :, None, None], bias_S)
        return F.relu(skips_1SBT)[0].permute(1, 2, 0)


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

    def forward(self, x_1RBT: Tensor) -> tuple[Tensor, Tensor]:
        padded = F.pad(self.dropout(x_1RBT), ((self.kernel_size - 1) * self.dilation, 0))
        gated_1RBT = self.gated(padded, self.dilation)
        return self.added(x_1RBT, gated_1RBT), gated_1RBT

    def gated(self, x_1RBT: Tensor, dilation: int, stride: int = 1) -> Tensor:
        """The gated convolution, without padding."""
        weights = self.filter_and_gate.weight.unsqueeze(2)
        both = F.conv2d(x_1RBT, weights, self.filter_and_gate.bias, (1, stride), dilation=(1, dilation))
        filter_1RBT, gate_1RBT = both.chunk(2, dim=1)
        return torch.tanh(filter_1RBT) * torch.sigmoid(gate_1RBT)

    def added(self, x_1RBT: Tensor, gated_1RBT: Tensor) -> Tensor:
        """The residual stream behind this layer."""
        if isinstance(self.residual, nn.Identity):
            return x_1RBT
        return x_1RBT + F.conv2d(gated_1RBT, self.residual.weight[:, :, None, None], self.residual.bias)


def statements(settings: WaveNetConfig) -> Statements:
    """For a report of comparisons."""
    return Statements(
        "Yes, as far back as it sees",
        ALL_AT_ONCE,
        f"{layers(len(settings.dilations))} deep, however long the sequence; a residual way around each layer, and a "
        f"skip from each to the output",
    )


WAVENET = Architecture(
    config=WaveNetConfig,
    module=WaveNet,
    statements=statements,
    settings={
        "spam": WaveNetConfig(
            residual_channels=48, skip_channels=96, dilations=(1, 2, 4, 8), kernel_size=2, dropout=0.1
        ),
        "short_texts": WaveNetConfig(
            residual_channels=48, skip_channels=96, dilations=(1, 2, 4, 8), kernel_size=2, dropout=0.1
        ),
        "sentiment": WaveNetConfig(
            residual_channels=64, skip_channels=128, dilations=(1, 2, 4, 8), kernel_size=2, dropout=0.1
        ),
        "ridership": WaveNetConfig(
            residual_channels=32, skip_channels=64, dilations=(1, 2, 4, 8, 16, 32), kernel_size=3, dropout=0.1
        ),
        "forecast": WaveNetConfig(
            residual_channels=24, skip_channels=48, dilations=(1, 2, 4, 8, 16, 32), kernel_size=3
        ),
        "shapes": WaveNetConfig(residual_channels=16, skip_channels=32, dilations=(1, 2, 4, 8, 16, 32)),
    },
    colour="#d55e00",
    marker="v",
)
