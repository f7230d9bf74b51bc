"""Properties that tell architectures apart, in words, as they follow from an architecture's settings.

The statements are about the code of this package: order, length and memory are tested, the others can be read there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.models import ARCHITECTURES, Config
from training.models.cnn import CNNConfig
from training.models.dense import DenseConfig
from training.models.linear import LinearConfig
from training.models.rnn import RNNConfig
from training.models.wavenet import WaveNetConfig


@dataclass(frozen=True)
class Properties:
    """One architecture, as it is set up."""

    order: str
    """Whether it knows what came before what."""
    length: str
    """What it does with sequences of any length."""
    memory: str
    """How far back an output sees."""
    parallel: str
    """Whether all steps are computed at once."""
    gradients: str
    """What could make them vanish or explode, and what is done about it."""


def properties(architecture: str, settings: Config) -> Properties:
    """What can be said of an architecture with these settings."""
    body = ARCHITECTURES[architecture].build(1, settings)
    order, parallel, gradients = STATEMENTS[architecture](settings)
    if body.receptive_field is None:
        length = "Any: it runs as long as the sequence does"
        memory = "Every step before; how much of it is kept is learnt" if body.causal else "Every step, on both sides"
    else:
        steps = "1 step" if body.receptive_field == 1 else f"{body.receptive_field:,} steps"
        length = f"Any: the same weights slide along it, and each output sees {steps}"
        memory = f"{steps}, up to its own" if body.causal else f"{steps}, on both sides of its own"
    return Properties(order, length, memory, parallel, gradients)


def _linear(settings: LinearConfig) -> tuple[str, str, str]:
    return (
        "No: every step is read alone" if settings.window == 1 else AS_COLUMNS,
        ALL_AT_ONCE,
        "None to lose: a single layer",
    )


def _dense(settings: DenseConfig) -> tuple[str, str, str]:
    return (
        "No: every step is read alone" if settings.window == 1 else AS_COLUMNS,
        ALL_AT_ONCE,
        f"{_layers(len(settings.units))} deep, however long the sequence; ReLU doesn't saturate",
    )


def _rnn(settings: RNNConfig) -> tuple[str, str, str]:
    remedies = ["orthogonal recurrent weights"]
    if settings.cell != "simple":
        remedies.append("gates that let the state pass unchanged")
    if settings.cell == "lstm":
        remedies.append("a forget gate that starts open")
    if settings.layer_norm:
        remedies.append("layer normalisation behind each layer")
    return (
        "Yes: it reads step by step" + (", once in each direction" if settings.bidirectional else ""),
        "No: each step waits for the state of the one before it",
        f"They run through every step and can vanish or explode; against it {', '.join(remedies)}, {CLIPPING}",
    )


def _cnn(settings: CNNConfig) -> tuple[str, str, str]:
    widest = max(settings.kernel_sizes) + 2 * settings.residual_layers
    order = f"Within patterns of up to {widest} steps, wherever they stand" if widest > 1 else "No"
    depth = f"{_layers(1 + settings.residual_layers)} deep, however long the sequence; ReLU doesn't saturate"
    if settings.residual_layers:
        depth += "; a way around each further layer"
    if not settings.gru_units:
        return order, ALL_AT_ONCE, depth
    return (
        f"{order}; the GRU on top knows the order of the patterns",
        "The convolutions are, the GRU on top waits step by step",
        f"{depth}; in the GRU they run through every step: orthogonal recurrent weights, gates, {CLIPPING}",
    )


def _wavenet(settings: WaveNetConfig) -> tuple[str, str, str]:
    return (
        "Yes, as far back as it sees",
        ALL_AT_ONCE,
        f"{_layers(len(settings.dilations))} deep, however long the sequence; a residual way around each layer, and a "
        f"skip from each to the output",
    )


def _layers(count: int) -> str:
    return "1 layer" if count == 1 else f"{count} layers"


ALL_AT_ONCE = "Yes: no step waits for another"
AS_COLUMNS = "Only as columns: each lag has weights of its own, and what is next to what means nothing to them"
CLIPPING = "and gradients are clipped in training"

STATEMENTS: dict[str, Callable[[Any], tuple[str, str, str]]] = {
    "linear": _linear,
    "dense": _dense,
    "rnn": _rnn,
    "cnn": _cnn,
    "wavenet": _wavenet,
}
"""Order, parallel, gradients. The tests loop over `ARCHITECTURES` and look each up here."""
