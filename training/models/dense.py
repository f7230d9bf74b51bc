"""Dense: the last few steps, laid side by side, through fully connected layers.

Inputs: `x_BTC` features of each step, `mask_BT` 1 where there is a step, 0 where there is padding.
Output: `h_BTD`, D = units of the last layer; step t has seen the `window` steps up to and with t, none after it.

    h_t = ReLU(W₂ · ReLU(W₁ · [x_(t-window+1) … x_t] + b₁) + b₂)

Of fixed size, and without an idea of order: were the lags shuffled in the same way everywhere, it would learn just as
well. Steps before the first one, and padded ones, are zero.

Source: A. Géron, "Hands-On Machine Learning", 3rd edition, chapter 15, where it is the starting point of a sequence.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from training.models.architecture import ALL_AT_ONCE, AS_COLUMNS, Architecture, Statements, layers
from training.models.steps import newest


@dataclass(frozen=True)
class DenseConfig:
    """Settings of `Dense`."""

    units: tuple[int, ...]
    """Of each layer."""
    window: int
    """Steps that one output sees."""
    dropout: float = 0.0
    """Between layers."""


class Dense(nn.Module):
    """See the module's docstring."""

    causal = True

    def __init__(self, num_inputs: int, config: DenseConfig) -> None:
        super().__init__()
        self.num_outputs = config.units[-1]
        self.receptive_field = config.window
        # The same network at every step: convolutions, the first as wide as the window, the others one step wide.
        self.first = nn.Conv1d(num_inputs, config.units[0], config.window)
        self.further = nn.ModuleList(
            nn.Conv1d(units, next_units, 1)
            for units, next_units in zip(config.units[:-1], config.units[1:], strict=True)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        x_BCT = (x_BTC * mask_BT.unsqueeze(2)).transpose(1, 2)
        h_BDT = F.relu(self.first(F.pad(x_BCT, (self.receptive_field - 1, 0))))
        for layer in self.further:
            h_BDT = F.relu(layer(self.dropout(h_BDT)))
        return h_BDT.transpose(1, 2)

    def last(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """The last step's output `[B, D]`."""
        h_BTD: Tensor = self(*newest(self.receptive_field, x_BTC, mask_BT))
        return h_BTD[:, -1]


def statements(settings: DenseConfig) -> Statements:
    """For a report of comparisons."""
    return Statements(
        "No: every step is read alone" if settings.window == 1 else AS_COLUMNS,
        ALL_AT_ONCE,
        f"{layers(len(settings.units))} deep, however long the sequence; ReLU doesn't saturate",
    )


DENSE = Architecture(
    config=DenseConfig,
    module=Dense,
    statements=statements,
    settings={
        "spam": DenseConfig(units=(96, 96), window=3),
        "short_texts": DenseConfig(units=(96, 96), window=3),
        "sentiment": DenseConfig(units=(128, 128), window=3),
        "ridership": DenseConfig(units=(64, 64), window=56, dropout=0.1),
        "forecast": DenseConfig(units=(48, 48), window=48, dropout=0.1),
        "shapes": DenseConfig(units=(32, 32), window=56),
    },
    colour="#b0558a",
    marker="s",
)
