"""What an architecture is: one page that holds its settings and module, and an `Architecture` for the table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

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


class Statements(NamedTuple):
    """What can be said of an architecture with certain settings, in words."""

    order: str
    """Whether it knows what came before what."""
    parallel: str
    """Whether all steps are computed at once."""
    gradients: str
    """What could make them vanish or explode, and what is done about it."""


ALL_AT_ONCE = "Yes: no step waits for another"
AS_COLUMNS = "Only as columns: each lag has weights of its own, and what is next to what means nothing to them"
CLIPPING = "and gradients are clipped in training"


def layers(count: int) -> str:
    """A number of layers in words."""
    return "1 layer" if count == 1 else f"{count} layers"


@dataclass(frozen=True)
class Architecture:
    """One entry of `ARCHITECTURES`, and all that anything else asks of an architecture."""

    config: type[Any]
    module: type[nn.Module]
    statements: Callable[[Any], Statements]
    settings: Mapping[str, Config]
    """Settings by family of recipes: `spam`, `sentiment`, `ridership`, `forecast`, and `shapes` of the study."""
    colour: str
    """On every plot; told apart by colour-blind eyes too, and by the marker."""
    marker: str
    pooling: Literal["maximum", "mean"] = "maximum"
    """Of its outputs over a text."""

    def build(self, num_inputs: int, settings: Config) -> Any:
        """A fresh module. Raises `TypeError` for another architecture's settings."""
        if not isinstance(settings, self.config):
            raise TypeError(f"{self.module.__name__} takes {self.config.__name__}, not {type(settings).__name__}")
        return self.module(num_inputs, settings)
