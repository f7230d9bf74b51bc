"""Tasks offline: recipe to trained model, with figures beside baselines. `table.TASKS` has all of them."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bundle.golden import Arrays, Run
from bundle.manifest import Manifest, TrainingData
from bundle.tasks.task import TaskSpec
from bundle.tensors import TensorSpec

Figures = dict[str, dict[str, Any]]
"""Held-out figures by model or baseline."""


@dataclass(frozen=True)
class Measure:
    """A figure of `TrainedModel.metrics`, as a comparison shows it."""

    key: str
    label: str
    aim: Literal["low", "high"] | float
    """What is better: low, high, or near this value."""


@dataclass(frozen=True)
class Measures:
    """The figures that a task's models are compared by."""

    main: Measure
    """Of the reported rows."""
    selection: Measure
    """What is chosen by, on other rows than the reported ones: `report["selection"]` has it under this key, dots going
    deeper."""
    selected_on: str
    """Those rows, in words."""
    further: tuple[Measure, ...] = ()
    parts: Measure | None = None
    """Figures of the data's parts, one each; the key is what their names begin with."""
    note: str = ""
    """What a reader has to know to compare figures."""


class Samples(Protocol):
    """Makes inputs of a graph, to trace it and to check it with."""

    def draw(self, rng: np.random.Generator, batch: int, time: int) -> dict[str, NDArray[np.generic]]:
        """Raw inputs of `batch` rows, `time` steps long."""
        ...

    def pad(self, inputs: Arrays, extra: int) -> dict[str, NDArray[np.generic]]:
        """The same rows, padded by `extra` steps."""
        ...


@dataclass(frozen=True)
class TrainedModel:
    """A fitted network and all that its bundle will say of it; the export adds the graph and its proof."""

    graph: nn.Module
    """Raw values in, answers out; called with the inputs in the order of `inputs`."""
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    samples: Samples
    golden: Arrays
    golden_texts: list[str]
    spec: TaskSpec
    parameters: int
    data: list[TrainingData]
    metrics: Figures
    """`model`, and each baseline beside it."""
    calibration: dict[str, Any]
    report: dict[str, Any]
    """What the report says beyond the manifest: selection, epochs, the forecast that is drawn."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Tokenizer and plots."""
    reported_texts: list[str] = field(default_factory=list)
    """Of a classifier: those that the metrics are of, for its reference."""


@dataclass(frozen=True)
class Period:
    """First and last day to measure; None leaves an end to the task."""

    start: dt.date | None = None
    end: dt.date | None = None


class Fit(Protocol):
    """Runs a recipe."""

    def __call__(
        self, recipe: Any, seed: int, folder: Path, *, progress: bool = True, baselines: Figures | None = None
    ) -> TrainedModel:
        """Fit, evaluate beside baselines; `baselines`: their figures, where they are known already."""
        ...


def no_files(_recipe: Any, _trained: TrainedModel, _files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Of a task whose bundles hold nothing more."""
    return {}


def no_labels(_spec: Any) -> list[str] | None:
    """Of a task without labels."""
    return None


@dataclass(frozen=True)
class Task:
    """One entry of `TASKS`: what a recipe's task is offline."""

    fit: Fit
    baselines: Callable[[Any], Figures]
    """Figures of simple models, fitted and measured on the rows that the recipe's network is."""
    rebuilt: Callable[[Any, Manifest, Mapping[str, bytes]], tuple[nn.Module, Samples]]
    """Recipe, manifest and files to the graph as built today, without its weights, and inputs to check it."""
    measures: Callable[[Any], Measures]
    """What models of a recipe's kind are compared by."""
    evaluate: Callable[[Any, Manifest, dict[str, bytes], Run, Path, Period], dict[str, Any]]
    """Figures of a bundle on a file: recipe, manifest, files, graph, file, period."""
    question: str
    """How a service is asked for a model, named `%s`."""
    measured_files: Callable[[Any, TrainedModel, Mapping[str, bytes]], dict[str, bytes]] = no_files
    """Recipe, model and files of its bundle so far to files that are measured with the exported graph."""
    labels: Callable[[Any], list[str] | None] = no_labels
    """Spec to the labels, for confusion matrices."""


def count_parameters(network: nn.Module) -> int:
    """Trained weights."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
