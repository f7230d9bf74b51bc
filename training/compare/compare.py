"""Comparisons: one recipe an architecture, all on the same rows, each fitted with several seeds, beside the baselines.

    recipes of one name ─ architecture × seed ─ fit ─ export ─ `training.compare.outcomes`
                        └ baselines, once

What is finished is not fitted again: stop it when you like, call it again, and it goes on where it was.
"""

import json
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.compare.outcomes import Outcome, read_outcome, settings_key, write_outcome
from training.export import export
from training.publish import source_commit
from training.recipes import Recipe
from training.tasks import Figures, TrainedModel
from training.tasks.table import TASKS

logger = logging.getLogger(__name__)

ToModel = Callable[[TrainedModel], bytes]
"""A trained model to its ONNX."""


@dataclass(frozen=True)
class Comparison:
    """What is compared."""

    name: str
    recipes: dict[str, Recipe]
    """By architecture."""


@dataclass(frozen=True)
class Compared:
    """What came of it."""

    comparison: Comparison
    seeds: list[int]
    outcomes: dict[str, list[tuple[Outcome, Path]]]
    """By architecture, each seed's with its folder."""
    baselines: Figures

    @property
    def recipe(self) -> Recipe:
        """Any of the recipes, for what they share."""
        return self.comparison.recipes[next(iter(self.outcomes))]


def comparisons(recipes: Mapping[str, Callable[[], Recipe]]) -> dict[str, Comparison]:
    """Recipes named `<comparison>-<architecture>`, gathered by the first part of their name."""
    gathered: dict[str, dict[str, Recipe]] = {}
    for name, make in recipes.items():
        comparison, _, architecture = name.rpartition("-")
        gathered.setdefault(comparison, {})[architecture] = make()
    return {name: Comparison(name, found) for name, found in gathered.items()}


def compare(
    comparison: Comparison,
    architectures: Sequence[str],
    seeds: Sequence[int],
    runs: Path,
    *,
    progress: bool = True,
    to_model: ToModel = lambda trained: export(trained).model,
) -> Compared:
    """Fit what isn't fitted yet, and gather everything.

    Raises `ValueError` for an architecture without a recipe, without seeds, or where recipes aren't measured on the
    same rows.
    """
    if not seeds:
        raise ValueError("there is nothing to compare: choose at least 1 seed")
    _check(comparison, architectures)
    folder = runs / "compare" / comparison.name
    folder.mkdir(parents=True, exist_ok=True)
    beside = _baselines(comparison, folder)
    # Seed by seed, so that what there is after an interruption has every architecture.
    fits = [(architecture, seed) for seed in seeds for architecture in architectures]
    outcomes: dict[str, list[tuple[Outcome, Path]]] = {architecture: [] for architecture in architectures}
    with tqdm(fits, unit="fit", disable=not progress) as bar:
        for architecture, seed in bar:
            bar.set_description(f"{comparison.name}-{architecture}, seed {seed}")
            recipe = comparison.recipes[architecture]
            place = folder / f"{architecture}-{seed}-{settings_key(recipe)}"
            if place.is_dir():
                logger.info("%s is there already", place)
            else:
                _fit(recipe, seed, place, beside, to_model, progress=progress)
            outcomes[architecture].append((read_outcome(place), place))
    _check_same_rows([outcome for found in outcomes.values() for outcome, _ in found])
    return Compared(comparison, list(seeds), outcomes, beside)


def _fit(recipe: Recipe, seed: int, place: Path, baselines: Figures, to_model: ToModel, *, progress: bool) -> None:
    task = TASKS[recipe.task]
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=place.parent) as unfinished:
        started = time.perf_counter()
        trained = task.fit(recipe, seed, Path(unfinished) / "checkpoints", progress=progress, baselines=baselines)
        seconds = time.perf_counter() - started
        model = to_model(trained)
        selected: Any = trained.report["selection"]
        for part in task.measures(recipe).selection.key.split("."):
            selected = selected[part]
        if selected is None:
            raise ValueError("the data are too short to choose an architecture by; add values, or fit one alone")
        if task.measures(recipe).main.key not in trained.metrics["model"]:
            raise ValueError(
                "every series repeats itself exactly: there is no scale to compare errors by; fit one alone"
            )
        outcome = Outcome(
            architecture=recipe.architecture,
            seed=seed,
            selected=selected,
            figures=trained.metrics["model"],
            parameters=trained.parameters,
            model_bytes=len(model),
            training_seconds=seconds,
            evaluated_on=trained.report["evaluated_on"],
            data=[data.model_dump(mode="json") for data in trained.data],
            curves=_curves(trained.report["epochs"]),
            fan=trained.report.get("fan"),
            labels=task.labels(trained.spec),
            source_commit=source_commit(),
        )
        write_outcome(outcome, model, _typical_row(trained), Path(unfinished) / "outcome", place)


def _baselines(comparison: Comparison, folder: Path) -> Figures:
    """Once for all fits; again only where the first recipe has changed."""
    recipe = next(iter(comparison.recipes.values()))
    place = folder / f"baselines-{settings_key(recipe)}.json"
    if not place.exists():
        figures = TASKS[recipe.task].baselines(recipe)
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as unfinished:
            written = Path(unfinished) / place.name
            written.write_text(json.dumps(figures, indent=1) + "\n")
            written.rename(place)
    found: Figures = json.loads(place.read_text())
    return found


def _check(comparison: Comparison, architectures: Sequence[str]) -> None:
    if unknown := [name for name in architectures if name not in comparison.recipes]:
        raise ValueError(
            f"{comparison.name} has no recipe for {', '.join(unknown)}; it has {', '.join(comparison.recipes)}"
        )
    sources = {(recipe.task, recipe.data) for recipe in comparison.recipes.values()}
    if len(sources) > 1:
        named = ", ".join(sorted(f"{task} on {data}" for task, data in sources))
        raise ValueError(f"recipes of {comparison.name} can't be compared, they differ in task or data: {named}")


def _check_same_rows(outcomes: Sequence[Outcome]) -> None:
    rows = {outcome.name: (outcome.evaluated_on, outcome.data) for outcome in outcomes}
    first, *others = rows
    for name in others:
        if rows[name] != rows[first]:
            raise ValueError(
                f"{first} and {name} can't be compared, they were measured on different rows: {rows[first][0]}; "
                f"{rows[name][0]}. Give their recipes the same data, or remove the outcomes of old data"
            )


def _curves(epochs: Any) -> list[list[dict[str, Any]]]:
    """Of each network that was validated as it was fitted: one, or one a fold."""
    return epochs["folds"] if isinstance(epochs, dict) else [epochs]


def _typical_row(trained: TrainedModel) -> dict[str, NDArray[Any]]:
    """The first golden series, or the golden text of median length, without its padding."""
    rows = {name: np.asarray(array) for name, array in trained.golden.items()}
    if not trained.golden_texts:
        return {name: array[:1] for name, array in rows.items()}
    by_length = sorted(range(len(trained.golden_texts)), key=lambda row: len(trained.golden_texts[row]))
    row = by_length[len(by_length) // 2]
    return {name: array[row : row + 1, : np.count_nonzero(array[row])] for name, array in rows.items()}
