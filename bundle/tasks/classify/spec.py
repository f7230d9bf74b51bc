"""What the manifest of a text classifier says of its task."""

from typing import Literal

from pydantic import Field, model_validator

from bundle.tasks.classify.doubt import Doubt
from bundle.tasks.classify.reading import Step
from bundle.tasks.classify.windows import Windows
from bundle.tasks.task import TaskSpec
from bundle.tensors import TensorSpec


class ClassifySpec(TaskSpec):
    """Text in, one label out. Graph: `ids:int64[batch,time]` (0 pads) -> `probabilities:float32[batch,classes]`."""

    task: Literal["classify"] = "classify"
    labels: list[str] = Field(min_length=2)
    max_tokens: int = Field(ge=2, description="tokens the model reads at once; see `windows` for longer texts")
    reading: list[Step] = Field(default=[], description="steps from a text as sent to what is divided into tokens")
    windows: Windows | None = Field(default=None, description="how longer texts are read; None: they are cut off")
    doubt: Doubt | None = Field(default=None, description="which texts the model can't judge; None: none is known")
    positive_label: str | None = Field(default=None, description="the label that `threshold` speaks of")
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="operating point: call it positive_label at this score or above"
    )
    temperature: float = Field(default=1.0, gt=0, description="calibration, already applied inside the graph")

    @model_validator(mode="after")
    def _labels_agree(self) -> "ClassifySpec":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        if self.positive_label is not None and self.positive_label not in self.labels:
            raise ValueError("positive_label is not one of the labels")
        if self.windows is not None and self.windows.overlap * 2 > self.max_tokens - 1:
            raise ValueError("windows may overlap by half at most")
        if self.windows is not None and self.windows.combine == "halfway" and self.positive_label is None:
            raise ValueError("windows are combined by a positive_label, but there is none")
        return self

    def inputs(self) -> list[TensorSpec]:
        """Inputs of the graph, in order."""
        return [TensorSpec(name="ids", dtype="int64", shape=["batch", "time"])]

    def outputs(self) -> list[TensorSpec]:
        """Outputs of the graph."""
        return [TensorSpec(name="probabilities", dtype="float32", shape=["batch", len(self.labels)])]
