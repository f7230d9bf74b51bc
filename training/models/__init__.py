"""Architectures by name: one page each, one entry here; recipes, plots, reports and tests loop over this table.

Every architecture reads `x_BTC` (features of each step) with `mask_BT` (1 step, 0 padding) and gives `h_BTD`; it knows
its own D as `num_outputs`, says whether it is `causal` and how many steps one output sees. What comes before and after
is the task's network: `text_classifier`, `forecaster`, `global_forecaster`.

Shapes: B batch, T time, C input features, D outputs of an architecture, K classes, H horizon, Q quantile levels.
"""

from training.models import cnn, dense, linear, rnn, wavenet
from training.models.architecture import Architecture, Body, Config

__all__ = ["ARCHITECTURES", "Architecture", "Body", "Config", "settings_of"]

ARCHITECTURES: dict[str, Architecture] = {
    "linear": linear.LINEAR,
    "dense": dense.DENSE,
    "rnn": rnn.RNN_ARCHITECTURE,
    "cnn": cnn.CNN_ARCHITECTURE,
    "wavenet": wavenet.WAVENET,
}


def settings_of(family: str) -> dict[str, Config]:
    """Settings of each architecture that has some for a family of recipes."""
    return {name: own.settings[family] for name, own in ARCHITECTURES.items() if family in own.settings}
