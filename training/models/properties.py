"""Properties that tell architectures apart, in words, as they follow from an architecture's settings.

The statements are about the code of this package: order, length and memory are tested, the others can be read there.
"""

from dataclasses import dataclass

from training.models import ARCHITECTURES, Config


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
    order, parallel, gradients = ARCHITECTURES[architecture].statements(settings)
    if body.receptive_field is None:
        length = "Any: it runs as long as the sequence does"
        memory = "Every step before; how much of it is kept is learnt" if body.causal else "Every step, on both sides"
    else:
        steps = "1 step" if body.receptive_field == 1 else f"{body.receptive_field:,} steps"
        length = f"Any: the same weights slide along it, and each output sees {steps}"
        memory = f"{steps}, up to its own" if body.causal else f"{steps}, on both sides of its own"
    return Properties(order, length, memory, parallel, gradients)
