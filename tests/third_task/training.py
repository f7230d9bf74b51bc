"""The task offline: data, network, loss, baseline, figures, export samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bundle.golden import Arrays, Run
from bundle.manifest import Manifest, TrainingData
from tests.third_task.bundle import MAX_CODE, VowelsSpec, encode
from training.tasks import Figures, Measure, Measures, Period, Task, TrainedModel, count_parameters

WORDS = ("aria", "breeze", "cloud", "dune", "ebb", "fjord", "glyph", "hymn", "iota", "jazz", "KUDU", "Oboe", "quay")
HELD_OUT = 40


@dataclass(frozen=True)
class VowelsRecipe:
    """Everything that decides the model."""

    task: ClassVar[str] = "vowels"
    name: str = "vowels-sum"
    alias: str | None = "vowels"
    data: str = "made up"
    architecture: str = "sum"
    max_characters: int = 64
    num_steps: int = 300
    intended_use: str = "Count vowels."
    limits: str = "Latin letters without accents."


class CharacterSum(nn.Module):
    """One weight per character, summed over the text."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Embedding(MAX_CODE + 1, 1, padding_idx=0)

    def forward(self, codes: Tensor) -> Tensor:
        """`codes[batch, time]` -> `count[batch, 1]`."""
        return self.weights(codes).sum(dim=1)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class CodeSamples:
    """Random codes to trace and check an export with."""

    def draw(self, rng: np.random.Generator, batch: int, time: int) -> dict[str, NDArray[np.generic]]:
        return {"codes": rng.integers(1, MAX_CODE, size=(batch, time))}

    def pad(self, inputs: Arrays, extra: int) -> dict[str, NDArray[np.generic]]:
        return {"codes": np.pad(inputs["codes"], ((0, 0), (0, extra)))}


def count_vowels(text: str) -> int:
    return sum(character in "aeiouAEIOU" for character in text)


def texts(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(count)]


def figures(own: list[str], counts: NDArray[np.floating]) -> dict[str, Any]:
    actual = np.array([count_vowels(text) for text in own])
    return {"mae": float(np.abs(counts - actual).mean()), "rows": len(own)}


def baselines(_recipe: VowelsRecipe) -> Figures:
    train, held_out = texts(400, 1), texts(HELD_OUT, 2)
    mean = np.mean([count_vowels(text) for text in train])
    return {"mean": figures(held_out, np.full(len(held_out), mean))}


def fit(
    recipe: VowelsRecipe, seed: int, _folder: Path, *, progress: bool = True, baselines: Figures | None = None
) -> TrainedModel:
    torch.manual_seed(seed)
    network, train, held_out = CharacterSum(), texts(400, 1), texts(HELD_OUT, 2)
    codes = torch.from_numpy(encode(train, recipe.max_characters))
    counts = torch.tensor([[float(count_vowels(text[: recipe.max_characters]))] for text in train])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    losses = []
    for _ in range(recipe.num_steps):
        loss = nn.functional.mse_loss(network(codes), counts)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    spec = VowelsSpec(max_characters=recipe.max_characters)
    with torch.no_grad():
        computed = network(torch.from_numpy(encode(held_out, recipe.max_characters))).numpy()[:, 0]
    golden = ["", "aria", "glyph hymn", "Oboe quay KUDU"]
    return TrainedModel(
        graph=network.eval(),
        inputs=spec.inputs(),
        outputs=spec.outputs(),
        samples=CodeSamples(),
        golden={"codes": encode(golden, 20)},
        golden_texts=golden,
        spec=spec,
        parameters=count_parameters(network),
        data=[TrainingData(name="made up", origin="made up", licence="none", citation="none", files={}, rows={})],
        metrics={"model": figures(held_out, computed)} | (_baselines(recipe) if baselines is None else baselines),
        calibration={},
        report={
            "evaluated_on": f"{HELD_OUT} made-up texts",
            "selection": {"loss": losses[-1], "best_epoch": 1},
            "epochs": [{"train_loss": losses[0], "valid_loss": losses[-1]}],
        },
    )


_baselines = baselines


def rebuilt(
    _recipe: VowelsRecipe, _manifest: Manifest, _files: Mapping[str, bytes]
) -> tuple[CharacterSum, CodeSamples]:
    return CharacterSum().eval(), CodeSamples()


def measures(_recipe: VowelsRecipe) -> Measures:
    return Measures(Measure("mae", "MAE", "low"), Measure("loss", "loss", "low"), "training texts")


def evaluate(
    recipe: VowelsRecipe, _manifest: Manifest, _files: dict[str, bytes], run: Run, path: Path, _period: Period
) -> dict[str, Any]:
    own = path.read_text().splitlines()
    return {"model": figures(own, run({"codes": encode(own, recipe.max_characters)})["count"][:, 0])}


VOWELS = Task(
    fit=fit,
    baselines=baselines,
    rebuilt=rebuilt,
    measures=measures,
    evaluate=evaluate,
    question='POST /vowels {"model": "%s", "inputs": ["…"]}',
)
