"""Recipes for a person's own data: settings that suit its size, the rest as in the shipped models of its kind."""

import dataclasses
import math
from collections import Counter
from pathlib import Path

from bundle.manifest import Manifest
from training.data.own_series import OwnSeries
from training.data.own_texts import OwnTexts
from training.data.own_texts import load as load_texts
from training.recipes.forecast import forecast
from training.recipes.short_texts import short_texts
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.classify.tokenizer import TokenizerConfig
from training.tasks.forecast.many_recipe import GlobalForecastRecipe

NUM_STEPS = 800
"""Steps of a text classifier's training, about; few epochs for many texts, many for few."""
LONGEST_CONTEXT = 512
BATCHES_PER_EPOCH, NUM_EPOCHS = 100, 10
"""Of a forecaster's training."""


def own_classifier(name: str, path: Path, text: str, label: str, architecture: str) -> ClassifyRecipe:
    """A classifier of the texts in a file. Raises `TableProblem` for what the file must mend."""
    rows = load_texts(path, text, label)
    num_texts = len(rows.train.texts)
    labels = tuple(sorted(set(rows.train.labels)))
    template = short_texts(architecture, name)
    batch_size = 16 if num_texts < 1000 else 32 if num_texts < 4000 else 64 if num_texts < 20_000 else 128
    num_epochs = min(max(math.ceil(NUM_STEPS * batch_size / num_texts), 4), 60)
    num_steps = num_epochs * math.ceil(num_texts / batch_size)
    schedule = dataclasses.replace(
        template.schedule,
        batch_size=batch_size,
        max_epochs=num_epochs,
        patience=max(2, num_epochs // 3),
        warm_up_steps=min(50, num_steps // 10),
        average_decay=min(0.99, 1 - 10 / num_steps),  # over the last tenth or less
    )
    return dataclasses.replace(
        template,
        data=OwnTexts(path, text, label, labels),
        labels=labels,
        positive_label=None,
        tokenizer=TokenizerConfig(vocabulary_size=min(max(num_texts, 1000), 8000), one_digit=False, one_user=True),
        schedule=schedule,
        num_folds=3 if num_texts < 10_000 else 6,
        num_folds_left_out=3 if num_texts < 10_000 else 1,
        intended_use=f"Label texts as the column {label!r} of {path.name} does.",
        limits=(
            f"Trained on {num_texts:,} texts of one file ("
            + ", ".join(f"{count:,} {name}" for name, count in sorted(Counter(rows.train.labels).items()))
            + "). Expect more errors on texts unlike them; the first 512 tokens of a text are read."
        ),
    )


def own_forecaster(name: str, source: OwnSeries, architecture: str) -> GlobalForecastRecipe:
    """A forecaster of the series in a file. Raises `TableProblem` for what the file must mend."""
    whole = source.load()
    template = forecast(architecture)
    longest = max(len(series.values) for series in whole.series) - whole.horizon
    context_length = min(max(4 * whole.season, 2 * whole.horizon, 64), longest, LONGEST_CONTEXT)
    num_values = sum(len(series.values) for series in whole.series)
    return dataclasses.replace(
        template,
        name=name,
        alias=None,
        data=dataclasses.replace(source, freq=whole.freq),
        freq=whole.freq,
        context_length=context_length,
        network=dataclasses.replace(template.network, horizon=whole.horizon),
        batches_per_epoch=BATCHES_PER_EPOCH,
        schedule=dataclasses.replace(template.schedule, max_epochs=NUM_EPOCHS),
        intended_use=f"Forecast {source.value!r} of {source.path.name} up to {whole.horizon} steps ahead.",
        limits=(
            f"Trained on {len(whole.series):,} series of one file, {num_values:,} values. It reads the newest "
            f"{context_length} values and nothing else: no covariates, no holidays."
        ),
    )


def recipe_of(manifest: Manifest) -> ClassifyRecipe | GlobalForecastRecipe | None:
    """What `evaluate` needs of the recipe of a bundle made from an own file; None for any other bundle."""
    data = manifest.recipe.get("data")
    if not isinstance(data, dict):
        return None
    if "label" in data:
        source = OwnTexts(Path(data["path"]), data["text"], data["label"], tuple(data["labels"]))
        return dataclasses.replace(short_texts("cnn", manifest.name), data=source)
    series = OwnSeries(**(data | {"path": Path(data["path"])}))
    return dataclasses.replace(forecast("cnn"), name=manifest.name, data=series)
