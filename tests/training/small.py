"""Small networks that nobody has fitted, and the smallest of what else an export needs."""

from typing import Any

from torch import nn

from bundle.golden import Arrays
from bundle.manifest import ClassifySpec, TensorSpec
from training.models.cnn import CNNConfig
from training.models.wavenet import WaveNetConfig
from training.tasks import Samples, TrainedModel

SETTINGS: dict[str, Any] = {
    "cnn": CNNConfig(filters=4, kernel_sizes=(1, 3, 5), residual_layers=1),
    "wavenet": WaveNetConfig(residual_channels=6, skip_channels=8, dilations=(1, 2, 4)),
}
"""Of each architecture; tests loop over `ARCHITECTURES` and look their settings up here."""


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
