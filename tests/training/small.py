"""Small networks that nobody has fitted, and the smallest of what else an export needs."""

from typing import Any

from torch import nn

from bundle.golden import Arrays
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tensors import TensorSpec
from training.models.cnn import CNNConfig
from training.models.dense import DenseConfig
from training.models.linear import LinearConfig
from training.models.rnn import RNNConfig
from training.models.wavenet import WaveNetConfig
from training.tasks import Samples, TrainedModel

VARIANTS: dict[str, tuple[str, Any]] = {
    "linear": ("linear", LinearConfig(outputs=7, window=5)),
    "dense": ("dense", DenseConfig(units=(16, 8), window=5)),
    "rnn simple": ("rnn", RNNConfig("simple", units=8)),
    "rnn simple deep": ("rnn", RNNConfig("simple", units=6, layers=3, layer_norm=True)),
    "rnn lstm": ("rnn", RNNConfig("lstm", units=8)),
    "rnn gru": ("rnn", RNNConfig("gru", units=8)),
    "rnn gru both ways": ("rnn", RNNConfig("gru", units=5, layers=2, bidirectional=True)),
    "rnn lstm both ways": ("rnn", RNNConfig("lstm", units=5, layers=2, bidirectional=True, layer_norm=True)),
    "cnn": ("cnn", CNNConfig(filters=4, kernel_sizes=(1, 3, 5), residual_layers=1)),
    "cnn causal": ("cnn", CNNConfig(filters=4, kernel_sizes=(1, 2, 4), residual_layers=1, causal=True)),
    "cnn with a gru": ("cnn", CNNConfig(filters=4, kernel_sizes=(1, 3), gru_units=5)),
    "cnn causal with a gru": ("cnn", CNNConfig(filters=4, kernel_sizes=(2, 4), causal=True, gru_units=6)),
    "wavenet": ("wavenet", WaveNetConfig(residual_channels=6, skip_channels=8, dilations=(1, 2, 4))),
}
"""Name, architecture and settings: every architecture, in every way it can be set up. Tests loop over them."""


def unfitted(
    graph: nn.Module, inputs: list[TensorSpec], outputs: list[TensorSpec], samples: Samples, golden: Arrays
) -> TrainedModel:
    """What `training.export` takes, around any graph; what it doesn't read is made up."""
    return TrainedModel(
        graph=graph,
        inputs=inputs,
        outputs=outputs,
        samples=samples,
        golden=golden,
        golden_texts=[],
        spec=ClassifySpec(labels=["a", "b"], max_tokens=512),
        parameters=0,
        data=[],
        metrics={},
        calibration={},
        report={"evaluated_on": "nothing"},
    )
