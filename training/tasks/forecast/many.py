"""The task of forecasting many series with one network: from data to figures beside baselines.

One run: the network is fitted to random histories of every set, each batch of one set, and stops early on targets it
isn't trained on (see `histories`), which also decide how wide the intervals are. The last horizon of every series is
read once, at the end, to report: MASE by set, beside the seasonal naive forecast.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from bundle.golden import Run
from bundle.manifest import Manifest
from bundle.tasks.forecast.series import freq_code
from bundle.tasks.forecast.spec import ForecastSpec
from training import metrics, plots
from training.data.own_series import OwnSeries
from training.data.series_file import load_series_file
from training.data.series_set import Series, SeriesSet
from training.fit import fit as fit_network
from training.fit import seed_everything
from training.models.global_forecaster import AnyFreq, GlobalForecaster, OneFreq
from training.tasks import Figures, Measure, Measures, Period, TrainedModel, count_parameters
from training.tasks.forecast.calibration import from_neighbour
from training.tasks.forecast.histories import RandomHistories, Rows, ScaledPinballLoss, SplitSet, held_out
from training.tasks.forecast.many_figures import MEAN, baseline_figures, mase_figures, seasonal_naive
from training.tasks.forecast.many_recipe import GlobalForecastRecipe
from training.tasks.forecast.quantile_forecasts import REPORTED_LEVELS, fan, interval, run_in_batches
from training.tasks.forecast.samples import HistorySamples

CHOSEN_ON = (
    "the last horizon before that of a tenth of the series, which train nothing; in sets of up to 50 series, that of "
    "every series"
)

logger = logging.getLogger(__name__)


def fit(
    recipe: GlobalForecastRecipe, seed: int, folder: Path, *, progress: bool = True, baselines: Figures | None = None
) -> TrainedModel:
    """Run the recipe: see the module's docstring. Without `baselines`, the only ones are naive forecasts."""
    sets = [SplitSet.of(whole) for whole in recipe.sets()]
    levels = recipe.network.quantile_levels
    seed_everything(seed)
    network = GlobalForecaster(recipe.network, recipe.architecture, recipe.settings)
    selection = [rows for one in sets if (rows := one.selection(recipe.context_length))]
    train = RandomHistories(
        sets,
        recipe.batches_per_epoch,
        recipe.schedule.batch_size,
        recipe.context_length,
        recipe.network.horizon,
        recipe.spoiling,
        np.random.default_rng(seed),
    )
    fitted = fit_network(
        network,
        ScaledPinballLoss(levels),
        DataLoader(train, batch_size=None),
        _batches(selection) if selection else None,
        recipe.schedule,
        folder,
        progress=progress,
    )
    network.eval()
    widening = calibrate(network, selection, levels)

    figures = measure([one.whole for one in sets], recipe.spec(), lambda rows: predict(network, rows))
    if baselines is not None:
        figures = {"model": figures["model"]} | baselines
    logger.info("held out: %s", figures)

    spec = recipe.spec()
    graph = _graph(network, recipe)
    learning = [dataclasses.asdict(epoch) for epoch in fitted.epochs]
    return TrainedModel(
        graph=graph,
        inputs=spec.inputs(),
        outputs=spec.outputs(),
        samples=_samples(recipe),
        golden=_golden(sets, recipe),
        golden_texts=[],
        spec=spec,
        parameters=count_parameters(network),
        data=[one.whole.described for one in sets],
        metrics=figures,
        calibration={
            "widening": [round(float(value), 4) for value in widening],
            "calibrated_on": "the targets that choose the epoch, every set counting alike" if selection else "nothing",
        },
        report={
            "evaluated_on": f"the last horizon of every series of {len(sets)} sets, which nothing else has read",
            "receptive_field_steps": getattr(network.body, "receptive_field", None),
            "sets": [_described(one.whole) for one in sets],
            "selection": {
                "epoch_chosen_on": CHOSEN_ON
                if selection
                else "nothing, the series are too short: all epochs are fitted",
                "best_epoch": fitted.best_epoch,
                "scaled_pinball_loss": fitted.epochs[fitted.best_epoch - 1].valid_loss,
            },
            "epochs": learning,
            "fan": dataclasses.asdict(_fan(network, [one.whole for one in sets], recipe)),
        },
        files={"epochs.svg": plots.epochs([learning])},
    )


def baselines(recipe: GlobalForecastRecipe) -> Figures:
    """The same figures for naive and statistical forecasts of the same horizons; this takes a while."""
    return baseline_figures(recipe.sets())


def measures(_recipe: GlobalForecastRecipe) -> Measures:
    """MASE, every set counting alike; chosen by the loss that chooses the epoch."""
    return Measures(
        main=Measure(MEAN, "MASE, mean of data sets", "low"),
        selection=Measure("scaled_pinball_loss", "scaled pinball loss", "low"),
        selected_on="targets that choose the epoch",
        further=(
            Measure("coverage_80", "inside 80 % intervals", 0.8),
            Measure("coverage_95", "inside 95 % intervals", 0.95),
        ),
        parts=Measure("mase_", "MASE", "low"),
        note="Naive forecasts are measured on every series, statistical models on at most 200 of each set, the same "
        "ones each time, fitted to their last 1,000 values.",
    )


def evaluate(
    recipe: GlobalForecastRecipe, manifest: Manifest, _files: dict[str, bytes], run: Run, path: Path, _period: Period
) -> dict[str, Any]:
    """Figures of a published bundle on the last horizon of every series of a file, beside naive forecasts.

    The file has the form of one of the recipe's data sets. Where a series of it is no longer than that horizon, what
    came before is taken from the data set, by the series' name.
    """
    spec = manifest.spec
    assert isinstance(spec, ForecastSpec)
    own = recipe.data
    if isinstance(own, OwnSeries):
        sets = [dataclasses.replace(own, path=path).load()]
    else:
        sets = [_with_history(whole, recipe) for whole in load_series_file(path)]

    def forecast(rows: Rows) -> NDArray[np.float64]:
        inputs = {"history": rows.history} | ({"freq": rows.freq} if spec.freq is None else {})
        return run_in_batches(run, inputs)[:, : rows.target.shape[1]].astype(np.float64)

    return measure(sets, spec, forecast)


def rebuilt(
    recipe: GlobalForecastRecipe, _manifest: Manifest, _files: Mapping[str, bytes]
) -> tuple[nn.Module, HistorySamples]:
    """The graph of a bundle, its weights still to be loaded, and inputs to check it."""
    network = GlobalForecaster(recipe.network, recipe.architecture, recipe.settings)
    return _graph(network, recipe), _samples(recipe)


def _with_history(whole: SeriesSet, recipe: GlobalForecastRecipe) -> SeriesSet:
    """The set, series that hold no history preceded by the known series of the same name."""
    if all(len(series.values) > whole.horizon for series in whole.series):
        return whole
    known = {
        series.id: series.values
        for one in recipe.sets()
        if (one.freq, one.horizon) == (whole.freq, whole.horizon)
        for series in one.series
    }
    if unknown := [series.id for series in whole.series if series.id not in known]:
        raise ValueError(f"series {unknown[0]} is too short to hold a history, and no known series has its name")
    series = [Series(one.id, np.concatenate([known[one.id], one.values])) for one in whole.series]
    return dataclasses.replace(whole, series=series)


def measure(
    sets: Sequence[SeriesSet], spec: ForecastSpec, forecast: Callable[[Rows], NDArray[np.float64]]
) -> dict[str, dict[str, Any]]:
    """MASE on the last horizon of every series, by set, of the model and of naive forecasts; and coverage."""
    inside: dict[int, list[float]] = {level: [] for level in REPORTED_LEVELS}
    levels = spec.quantile_levels
    medians = []
    for whole in sets:
        rows = held_out(whole, spec.context_length)
        quantiles = forecast(rows)
        medians.append((whole, quantiles[..., len(levels) // 2]))
        known = np.isfinite(rows.target)
        for level in REPORTED_LEVELS:
            lower, upper = interval(quantiles, levels, level)
            inside[level].append(metrics.coverage(rows.target[known], lower[known], upper[known]))
    figures: dict[str, dict[str, Any]] = {
        "model": mase_figures(medians, len(sets)),
        "seasonal_naive": mase_figures([(whole, seasonal_naive(whole, whole.season)) for whole in sets], len(sets)),
        "naive": mase_figures([(whole, seasonal_naive(whole, 1)) for whole in sets], len(sets)),
    }
    figures["model"] |= {f"coverage_{level}": float(np.mean(shares)) for level, shares in inside.items()}
    return figures


def calibrate(network: GlobalForecaster, selection: list[Rows], levels: tuple[float, ...]) -> NDArray[np.float32]:
    """Widen the network's intervals, in place, so that they cover what they say; every set counts alike."""
    if not selection:
        return np.ones(len(levels), dtype=np.float32)
    rng = np.random.default_rng(0)
    actual, predicted = [], []
    for rows in selection:
        known = np.isfinite(rows.target)
        drawn = rng.integers(known.sum(), size=1000)
        actual.append(rows.target[known][drawn])
        predicted.append(predict(network, rows)[known][drawn])
    widening = from_neighbour(np.concatenate(actual), np.concatenate(predicted), levels)
    network.calibrate(torch.from_numpy(widening))
    return widening


@torch.no_grad()
def predict(network: GlobalForecaster, rows: Rows) -> NDArray[np.float64]:
    """Quantiles `[rows, horizon, levels]`."""
    history, freq, target = rows.batch()
    chunks = zip(torch.split(history, 64), torch.split(freq, 64), strict=True)
    return np.concatenate([network(past, code, target.shape[1])[0].double().numpy() for past, code in chunks])


def _batches(selection: list[Rows]) -> DataLoader[Any]:
    return DataLoader([rows.batch() for rows in selection], batch_size=None)  # type: ignore[arg-type]


def _graph(network: GlobalForecaster, recipe: GlobalForecastRecipe) -> nn.Module:
    return (AnyFreq(network) if recipe.freq is None else OneFreq(network, freq_code(recipe.freq))).eval()


def _samples(recipe: GlobalForecastRecipe) -> HistorySamples:
    return HistorySamples(any_freq=recipe.freq is None)


def _fan(network: GlobalForecaster, sets: Sequence[SeriesSet], recipe: GlobalForecastRecipe) -> plots.Fan:
    """The held-out horizon of one series: the first of the first set that has a season."""
    whole = next((one for one in sets if one.season > 1), sets[0])
    whole = dataclasses.replace(whole, series=whole.series[:1])
    rows = held_out(whole, recipe.context_length)
    [quantiles] = predict(network, rows)
    levels = recipe.network.quantile_levels
    title = f"{whole.name}, series {whole.series[0].id}, the last {whole.horizon} steps"
    history, naive = rows.history[0, -4 * whole.horizon :], seasonal_naive(whole, whole.season)[0]
    return fan(title, "steps", history, rows.target[0], quantiles, levels, naive)


def _described(whole: SeriesSet) -> dict[str, Any]:
    """A row of the report's table of sets."""
    return {
        "set": whole.name,
        "series": len(whole.series),
        "freq": whole.freq,
        "season": whole.season,
        "horizon": whole.horizon,
    }


def _golden(sets: list[SplitSet], recipe: GlobalForecastRecipe) -> dict[str, NDArray[Any]]:
    """One history of each set, from what is trained on; some with what clients leave out: values, the spacing."""
    rows: dict[str, NDArray[Any]] = {
        "history": np.full((len(sets), recipe.context_length), np.nan, dtype=np.float32),
        "freq": np.array([[freq_code(one.whole.freq)] for one in sets], dtype=np.int64),
    }
    for row, one in enumerate(sets):
        values = one.train[0][-recipe.context_length :] if one.train else np.array([1.0, 2.0, 3.0])
        rows["history"][row, recipe.context_length - len(values) :] = values
    rows["history"][0, :-1:4] = np.nan
    rows["freq"][-1] = 0
    if recipe.freq is not None:
        del rows["freq"]
    return rows
