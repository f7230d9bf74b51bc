"""Architectures: name -> settings and module. One architecture a page; the tests loop over this table.

Every architecture reads `x_BTC` (features of each step) with `mask_BT` (1 step, 0 padding) and gives `h_BTD`; it knows
its own D as `num_outputs`, says whether it is `causal` and how many steps one output sees. What comes before and after
is the task's network: `text_classifier`, `forecaster`, `global_forecaster`.

Shapes: B batch, T time, C input features, D outputs of an architecture, K classes, H horizon, Q quantile levels.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from training.models.cnn import CNN, CNNConfig
from training.models.dense import Dense, DenseConfig
from training.models.linear import Linear, LinearConfig
from training.models.rnn import RNN, RNNConfig
from training.models.wavenet import WaveNet, WaveNetConfig

Config = Any
"""Frozen dataclass of an architecture's settings."""


@runtime_checkable
class Body(Protocol):
    """What every architecture is, beside a torch module."""

    causal: bool
    """No output has seen a step after its own."""
    num_outputs: int
    receptive_field: int | None
    """Steps that one output sees, None where nothing bounds them."""

    def __call__(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """Features of each step to outputs of each step."""
        ...

    def last(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """Outputs of the last step alone, `[B, D]`: the same, with no more work than it takes."""
        ...


@dataclass(frozen=True)
class Architecture:
    """One row of the table."""

    config: type[Any]
    module: type[nn.Module]

    def build(self, num_inputs: int, settings: Config) -> Any:
        """A fresh module. Raises `TypeError` for another architecture's settings."""
        if not isinstance(settings, self.config):
            raise TypeError(f"{self.module.__name__} takes {self.config.__name__}, not {type(settings).__name__}")
        return self.module(num_inputs, settings)


ARCHITECTURES: dict[str, Architecture] = {
    "linear": Architecture(LinearConfig, Linear),
    "dense": Architecture(DenseConfig, Dense),
    "rnn": Architecture(RNNConfig, RNN),
    "cnn": Architecture(CNNConfig, CNN),
    "wavenet": Architecture(WaveNetConfig, WaveNet),
}
