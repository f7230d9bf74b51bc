"""Linear: each output is a weighted sum of the last few steps, every lag and feature with a weight of its own.

Inputs: `x_BTC` features of each step, `mask_BT` 1 where there is a step, 0 where there is padding.
Output: `h_BTD`, D = outputs; step t has seen the `window` steps up to and with t, none after it.

    h_t = W · [x_(t-window+1) … x_t] + b

The starting point that everything else has to beat: of fixed size, and without an idea of order — its weights know
columns, not neighbours. Steps before the first one, and padded ones, are zero.

Source: A. Géron, "Hands-On Machine Learning", 3rd edition, chapter 15 (a linear model on 56 lags).
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from training.models.architecture import ALL_AT_ONCE, AS_COLUMNS, Architecture, Statements
from training.models.steps import newest


@dataclass(frozen=True)
class LinearConfig:
    """Settings of `Linear`."""

    outputs: int
    window: int
    """Steps that one output sees."""


class Linear(nn.Module):
    """See the module's docstring."""

    causal = True

    def __init__(self, num_inputs: int, config: LinearConfig) -> None:
        super().__init__()
        self.num_outputs = config.outputs
        self.receptive_field = config.window
        # The same sum at every step: a convolution, as wide as the window.
        self.weights = nn.Conv1d(num_inputs, config.outputs, config.window)

    def forward(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        x_BCT = (x_BTC * mask_BT.unsqueeze(2)).transpose(1, 2)
        h_BDT: Tensor = self.weights(F.pad(x_BCT, (self.receptive_field - 1, 0)))
        return h_BDT.transpose(1, 2)

    def last(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """The last step's output `[B, D]`."""
        h_BTD: Tensor = self(*newest(self.receptive_field, x_BTC, mask_BT))
        return h_BTD[:, -1]


def statements(settings: LinearConfig) -> Statements:
    """For a report of comparisons."""
    return Statements(
        "No: every step is read alone" if settings.window == 1 else AS_COLUMNS,
        ALL_AT_ONCE,
        "None to lose: a single layer",
    )


LINEAR = Architecture(
    config=LinearConfig,
    module=Linear,
    statements=statements,
    settings={
        "spam": LinearConfig(outputs=64, window=1),
        "short_texts": LinearConfig(outputs=64, window=1),
        "sentiment": LinearConfig(outputs=64, window=1),
        "ridership": LinearConfig(outputs=64, window=56),
        "forecast": LinearConfig(outputs=32, window=48),
        "shapes": LinearConfig(outputs=32, window=56),
    },
    colour="#b37400",
    marker="o",
    pooling="mean",
)
