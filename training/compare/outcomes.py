"""Outcomes: what one fit of a comparison gave, kept in a folder of its own so that it need not be fitted again.

    <folder>/<architecture>-<seed>-<key>/{outcome.json, model.onnx, row.npz}

The key stands for the recipe's settings and, where it has one, the content of its own file: another setting, another
folder. An outcome is written beside its place and renamed into it, so there is a whole one or none, whenever the writer
is stopped.
"""

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_jsonable_python

from bundle.golden import Arrays
from bundle.manifest import MODEL_FILE

OUTCOME_FILE = "outcome.json"
ROW_FILE = "row.npz"


@dataclass(frozen=True)
class Outcome:
    """One architecture, fitted with one seed."""

    architecture: str
    seed: int
    selected: float
    """The figure that is chosen by, on the rows for it."""
    figures: dict[str, Any]
    """Of the reported rows."""
    parameters: int
    model_bytes: int
    training_seconds: float
    evaluated_on: str
    data: list[dict[str, Any]]
    """Where the rows come from, with the checksums of their files."""
    curves: list[list[dict[str, Any]]]
    """Losses of every epoch, of each network fitted on the way."""
    fan: dict[str, Any] | None
    """Of a forecaster: the forecast that is drawn."""
    labels: list[str] | None
    """Of a classifier: those of its confusion matrix."""
    source_commit: str

    @property
    def name(self) -> str:
        """Architecture and seed."""
        return f"{self.architecture}-{self.seed}"


def settings_key(recipe: Any) -> str:
    """Twelve hexadecimal digits that change with any setting of the recipe, and with the content of its own file."""
    settings = json.dumps(to_jsonable_python(dataclasses.asdict(recipe)), sort_keys=True)
    own_file = getattr(recipe.data, "path", None)
    content = b"" if own_file is None else own_file.read_bytes()
    return hashlib.sha256(f"{recipe.task} {settings} ".encode() + content).hexdigest()[:12]


def write_outcome(outcome: Outcome, model: bytes, row: Arrays, unfinished: Path, place: Path) -> None:
    """Write into `unfinished`, a new folder of the same disk, and rename it to `place`."""
    unfinished.mkdir()
    (unfinished / MODEL_FILE).write_bytes(model)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.asarray(array) for name, array in row.items()})  # type: ignore[arg-type]
    (unfinished / ROW_FILE).write_bytes(buffer.getvalue())
    (unfinished / OUTCOME_FILE).write_text(json.dumps(dataclasses.asdict(outcome), indent=1) + "\n")
    unfinished.rename(place)


def read_outcome(place: Path) -> Outcome:
    """The outcome kept in this folder."""
    return Outcome(**json.loads((place / OUTCOME_FILE).read_text()))


def read_row(place: Path) -> Mapping[str, NDArray[np.generic]]:
    """One row of inputs, to measure the model's speed with."""
    with np.load(place / ROW_FILE) as arrays:
        return dict(arrays)
