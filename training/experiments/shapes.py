"""Shapes of problem by experiment: what does it change to ask the same network another question?

One plain network, an architecture with a linear layer on top, reads 56 days of Chicago's boardings and forecasts rail:

    seq-to-vec      one answer, from the last step: the next day, or the next 14 days at once
    seq-to-seq      the next 14 days at every step, each with a loss of its own; asked at the last step
    multivariate    bus and the day type of the next day, which is known ahead, are read beside rail
    multi-task      bus is forecast beside rail, by the same network
    iterative       a forecast of the next day is taken for true and read to forecast the day after, 14 times over;
                    several series can be read so only by a network that forecasts each of them

`run` fits one network in one shape by `training.fit`; `sweep` goes over shapes, architectures and seeds and can be
broken off: what is finished is kept in a folder. `python -m training.experiments.shapes FOLDER` does it all.

The days of training are those of 2016 to 2018, of which the last three months choose the epoch; errors are those of
2019-02-26 to 2019-05-31, from the lecture's origins, beside the last week repeated.

Source: A. Géron, "Hands-On Machine Learning", 3rd edition, chapter 15.

Shapes of arrays: B windows, T steps, C columns, H days ahead, N series forecast.
"""

import argparse
import datetime as dt
import functools
import itertools
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset
from tqdm import tqdm

from bundle.tasks.forecast.series import DAY_TYPES, day_type
from training import plots
from training.data import cta_ridership
from training.data.covariate_series import CovariateSeries
from training.data.windows import window_matrix
from training.experiment import kept_or_run, plain, read_kept
from training.fit import Schedule, fit, seed_everything
from training.models import ARCHITECTURES, Config, settings_of
from training.tasks import count_parameters

CONTEXT, HORIZON, WEEK = 56, 14, 7
RAIL, BUS, DAY_TYPE = "rail", "bus", "day type"

SETTINGS = settings_of("shapes")
"""By architecture."""


# --- shapes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """What a network reads and what it is asked for.

    Raises `ValueError` for an iterated shape that could not read its own forecasts.
    """

    name: str
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    """Series forecast; errors are those of the first."""
    horizon: int
    """Days that one step forecasts at once."""
    every_step: bool = False
    """Learn from the forecasts of every step, not from those of the last alone."""
    iterated: bool = False
    """Read one's own forecasts to get further than one day ahead."""

    def __post_init__(self) -> None:
        if self.iterated and self.horizon != 1:
            raise ValueError(f"{self.name}: an iterated shape forecasts 1 day at a time, not {self.horizon}")
        if self.iterated and (unknown := set(self.inputs) - {*self.targets, DAY_TYPE}):
            raise ValueError(f"{self.name}: to be read again, {', '.join(unknown)} must be forecast as well")


SHAPES = (
    Shape("next day", (RAIL,), (RAIL,), 1),
    Shape("next day, iterated", (RAIL,), (RAIL,), 1, iterated=True),
    Shape("14 days at once", (RAIL,), (RAIL,), HORIZON),
    Shape("14 days at every step", (RAIL,), (RAIL,), HORIZON, every_step=True),
    Shape("multivariate, next day", (RAIL, BUS, DAY_TYPE), (RAIL,), 1),
    Shape("multivariate, 14 days at once", (RAIL, BUS, DAY_TYPE), (RAIL,), HORIZON),
    Shape("multivariate, 14 days at every step", (RAIL, BUS, DAY_TYPE), (RAIL,), HORIZON, every_step=True),
    Shape("multi-task, next day", (RAIL, BUS, DAY_TYPE), (RAIL, BUS), 1),
    Shape("multi-task, iterated", (RAIL, BUS, DAY_TYPE), (RAIL, BUS), 1, iterated=True),
)


def schedule_for(shape: Shape) -> Schedule:
    """Fewer epochs where every step teaches: a window then has 56 times the targets, and is soon known by heart."""
    return Schedule(
        max_epochs=25 if shape.every_step else 40,
        patience=20,
        batch_size=32,
        learning_rate=5e-3,
        weight_decay=0.0,
        cosine=True,
    )


# --- days ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Days:
    """A series with bus boardings and day types, and the dates that part it."""

    series: CovariateSeries
    training_start: dt.date
    selection_start: dt.date
    """The day after the last one of training."""
    selection_end: dt.date
    reporting_start: dt.date
    reporting_end: dt.date

    def training(self, ahead: int) -> Tensor:
        """Windows of the training days alone."""
        first = self.training_start + dt.timedelta(days=CONTEXT)
        return windows(self.series, first, self.selection_start - dt.timedelta(days=1), ahead)

    def selection(self, ahead: int) -> Tensor:
        """Windows that choose the epoch."""
        return windows(self.series, self.selection_start, self.selection_end, ahead)

    def reporting(self, ahead: int) -> Tensor:
        """Windows whose errors are reported."""
        return windows(self.series, self.reporting_start, self.reporting_end, ahead)


def chicago() -> Days:
    """The lecture's days. Raises `DataUnavailable` where they can't be read."""
    return Days(
        cta_ridership.load().series,
        training_start=dt.date(2016, 1, 1),
        selection_start=dt.date(2018, 10, 1),
        selection_end=dt.date(2018, 12, 31),
        reporting_start=dt.date(2019, 2, 26),
        reporting_end=dt.date(2019, 5, 31),
    )


COLUMNS: dict[str, list[int]] = {RAIL: [0], BUS: [1], DAY_TYPE: [2, 3, 4]}
"""Of `columns`."""


def columns(series: CovariateSeries) -> NDArray[np.float32]:
    """`[days, 5]`: rail, bus, and a column each for the three types that the *next* day may be of."""
    day_after_last = day_type(series.date_at(len(series.target)))
    next_day = np.array([*series.future["day_type"][1:], day_after_last])
    is_type = next_day[:, None] == np.array(DAY_TYPES)
    return np.column_stack([series.target, series.past["bus"], is_type]).astype(np.float32)


def windows(series: CovariateSeries, first: dt.date, last: dt.date, ahead: int) -> Tensor:
    """All windows whose last step forecasts days from `first` to `last`: `[windows, steps, 1 + ahead, columns]`.

    At each of the 56 steps stand its own day and the `ahead` days after it, so that `[:, :, 0]` is what is read and
    `[:, :, 1:]` what came true. Raises `ValueError` where the series doesn't reach so far.
    """
    begin = series.index_of(first - dt.timedelta(days=CONTEXT))
    days = columns(series)[begin : series.index_of(last) + 1]
    steps = window_matrix(days, 1 + ahead, 1)
    return torch.from_numpy(window_matrix(steps, CONTEXT, 1).copy())


# --- the network -----------------------------------------------------------------------------------------------------


class Network(nn.Module):
    """An architecture and a linear layer on each step: days in boardings `[B, T, C]` to boardings `[B, T, H, N]`.

    Of the columns it reads those of its shape. Each series is shifted and scaled by mean and deviation of the training
    days, and forecasts are scaled back.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, shape: Shape, architecture: str, settings: Config, training_days: NDArray[np.float32]) -> None:
        super().__init__()
        self.inputs = [column for name in shape.inputs for column in COLUMNS[name]]
        self.targets = [column for name in shape.targets for column in COLUMNS[name]]
        self.horizon = shape.horizon
        mean_C, deviation_C = torch.zeros(training_days.shape[1]), torch.ones(training_days.shape[1])
        boardings = COLUMNS[RAIL] + COLUMNS[BUS]
        mean_C[boardings] = torch.from_numpy(training_days[:, boardings].mean(axis=0))
        deviation_C[boardings] = torch.from_numpy(training_days[:, boardings].std(axis=0))
        self.register_buffer("mean", mean_C)
        self.register_buffer("deviation", deviation_C)
        self.body = ARCHITECTURES[architecture].build(len(self.inputs), settings)
        self.head = nn.Linear(self.body.num_outputs, shape.horizon * len(self.targets))
        if shape.every_step and not self.body.causal:
            raise ValueError(f"{shape.name}: a step must not see the days it forecasts; choose causal settings")

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Days known to the days after each."""
        scaled_BTC = ((x_BTC - self.mean) / self.deviation)[:, :, self.inputs]
        h_BTD = self.body(scaled_BTC, torch.ones(x_BTC.shape[:2]))
        forecast_BTHN = self.head(h_BTD).unflatten(2, (self.horizon, len(self.targets)))
        forecast: Tensor = forecast_BTHN * self.deviation[self.targets] + self.mean[self.targets]
        return forecast


def loss(shape: Shape, network: nn.Module, batch: Sequence[Tensor]) -> Tensor:
    """Mean absolute error in deviations: of every step in training, where the shape says so, otherwise of the last."""
    assert isinstance(network, Network)
    [known] = batch
    asked = slice(None) if shape.every_step and network.training else slice(-1, None)
    error_BTHN = network(known[:, :, 0])[:, asked] - known[:, asked, 1:, network.targets]
    mean: Tensor = (error_BTHN / network.deviation[network.targets]).abs().mean()
    return mean


@torch.no_grad()
def forecast(shape: Shape, network: Network, known: Tensor) -> Tensor:
    """Forecasts `[B, H, N]` from the last step of windows, iterated as far as these reach where the shape says so."""
    if shape.iterated:
        return iterate(network, known)
    answer: Tensor = network(known[:, :, 0])[:, -1]
    return answer


@torch.no_grad()
def iterate(network: Network, known: Tensor) -> Tensor:
    """Forecasts `[B, H, N]` of a network of the next day, fed back.

    Args:
        network: forecasts every series it reads.
        known: windows; of the days after their last step, only the day types are read.
    """
    x_BTC, ahead_BHC = known[:, :, 0], known[:, -1, 1:]
    forecasts = []
    for day in range(ahead_BHC.shape[1]):
        forecast_BN = network(x_BTC)[:, -1, 0]
        forecasts.append(forecast_BN)
        row_BC = torch.full_like(x_BTC[:, -1], torch.nan)
        row_BC[:, network.targets] = forecast_BN
        row_BC[:, COLUMNS[DAY_TYPE]] = ahead_BHC[:, day, COLUMNS[DAY_TYPE]]
        x_BTC = torch.cat([x_BTC[:, 1:], row_BC.unsqueeze(1)], dim=1)
    return torch.stack(forecasts, dim=1)


# --- one run ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ShapeOutcome:
    """What one network made of one shape; errors in boardings a day, of the series forecast first."""

    shape: str
    architecture: str
    settings: dict[str, Any]
    schedule: dict[str, Any]
    seed: int
    num_weights: int
    best_epoch: int
    mae_next_day: float
    mae_mean_of_14: float | None
    """Mean over the days ahead, from the origins whose 14 days are all known; None for a shape of the next day."""
    mae_next_day_of_bus: float | None
    """Where it is forecast as well."""
    seconds: float = field(compare=False)


def run(shape: Shape, days: Days, architecture: str, settings: Config, seed: int, schedule: Schedule) -> ShapeOutcome:
    """Fit one network and measure it on the reported days; the same seed gives the same outcome.

    Raises `ValueError` where learning at every step is asked of an architecture that sees the steps after.
    """
    started = time.perf_counter()
    network, best_epoch = fitted(shape, days, architecture, settings, seed, schedule)
    next_day = _errors(shape, network, days.reporting(1))
    reaches_further = shape.iterated or shape.horizon == HORIZON
    return ShapeOutcome(
        shape=shape.name,
        architecture=architecture,
        settings=plain(settings),
        schedule=plain(schedule),
        seed=seed,
        num_weights=count_parameters(network),
        best_epoch=best_epoch,
        mae_next_day=next_day[shape.targets[0]],
        mae_mean_of_14=_errors(shape, network, days.reporting(HORIZON))[shape.targets[0]] if reaches_further else None,
        mae_next_day_of_bus=next_day.get(BUS),
        seconds=time.perf_counter() - started,
    )


def fitted(
    shape: Shape, days: Days, architecture: str, settings: Config, seed: int, schedule: Schedule
) -> tuple[Network, int]:
    """A network of the epoch that did best on the selection days, and which epoch that was."""
    seed_everything(seed)
    first, after_last = days.series.index_of(days.training_start), days.series.index_of(days.selection_start)
    network = Network(shape, architecture, settings, columns(days.series)[first:after_last])
    train = TensorDataset(days.training(shape.horizon))
    drawn = BatchSampler(
        RandomSampler(train, generator=Generator().manual_seed(seed)), schedule.batch_size, drop_last=False
    )
    with tempfile.TemporaryDirectory() as folder:
        found = fit(
            network,
            functools.partial(loss, shape),
            DataLoader(train, batch_size=None, sampler=drawn),
            DataLoader(TensorDataset(days.selection(shape.horizon)), batch_size=512),
            schedule,
            Path(folder),
            progress=False,
        )
    return network, found.best_epoch


def _errors(shape: Shape, network: Network, known: Tensor) -> dict[str, float]:
    """Mean absolute error by series, over all windows and all days ahead that these have."""
    actual_BHN = known[:, -1, 1:, network.targets]
    forecast_BHN = forecast(shape, network, known)[:, : actual_BHN.shape[1]]
    errors_N = (forecast_BHN - actual_BHN).abs().mean(dim=(0, 1))
    return dict(zip(shape.targets, errors_N.tolist(), strict=True))


# --- many runs -------------------------------------------------------------------------------------------------------


def sweep(
    folder: Path,
    days: Days,
    architectures: Sequence[str],
    seeds: Sequence[int] = (0,),
    chosen: Sequence[Shape] = SHAPES,
    schedule_of: Callable[[Shape], Schedule] = schedule_for,
    *,
    progress: bool = True,
) -> list[ShapeOutcome]:
    """Run every shape with every architecture and seed.

    Each outcome is a file in `folder`; what is there already isn't run again.

    Raises `ValueError` if an outcome in the folder comes from other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = []
    runs = list(itertools.product(seeds, architectures, chosen))
    with tqdm(runs, unit="run", disable=not progress) as bar:
        for seed, architecture, shape in bar:
            bar.set_description(f"{shape.name}, {architecture}, seed {seed}")
            outcomes.append(_kept_or_run(folder, shape, days, architecture, seed, schedule_of(shape)))
    return outcomes


def _kept_or_run(
    folder: Path, shape: Shape, days: Days, architecture: str, seed: int, schedule: Schedule
) -> ShapeOutcome:
    settings = SETTINGS[architecture]
    name = shape.name.replace(",", "").replace(" ", "-")
    return kept_or_run(
        folder / f"{name}-{architecture}-{seed}.json",
        ShapeOutcome,
        {"settings": plain(settings), "schedule": plain(schedule)},
        lambda: run(shape, days, architecture, settings, seed, schedule),
    )


def read_outcomes(folder: Path) -> list[ShapeOutcome]:
    """All that a sweep kept in a folder. Raises `ValueError` where there is nothing."""
    return read_kept(folder, ShapeOutcome, "python -m training.experiments.shapes")


class Row(NamedTuple):
    """A line of the report; errors in boardings a day."""

    shape: str
    architecture: str
    mae_next_day: float
    mae_mean_of_14: float | None


def rows(outcomes: Sequence[ShapeOutcome]) -> list[Row]:
    """One line a shape and architecture: the median over seeds."""
    gathered: dict[tuple[str, str], list[ShapeOutcome]] = {}
    for outcome in outcomes:
        gathered.setdefault((outcome.shape, outcome.architecture), []).append(outcome)
    return [
        Row(
            shape,
            architecture,
            statistics.median(outcome.mae_next_day for outcome in group),
            statistics.median(further) if (further := _means_of_14(group)) else None,
        )
        for (shape, architecture), group in gathered.items()
    ]


def _means_of_14(outcomes: Sequence[ShapeOutcome]) -> list[float]:
    return [outcome.mae_mean_of_14 for outcome in outcomes if outcome.mae_mean_of_14 is not None]


def last_week_repeated(days: Days) -> Row:
    """The forecast that every shape has to beat, from the same origins."""
    next_day, mean_of_14 = (_error_of_last_week(days.reporting(ahead)) for ahead in (1, HORIZON))
    return Row("last week repeated", "", next_day, mean_of_14)


def _error_of_last_week(known: Tensor) -> float:
    [rail] = COLUMNS[RAIL]
    actual_BH = known[:, -1, 1:, rail].double()
    repeated_BH = known[:, -WEEK:, 0, rail].double().repeat(1, HORIZON // WEEK)[:, : actual_BH.shape[1]]
    return float((repeated_BH - actual_BH).abs().mean())


def table(outcomes: Sequence[ShapeOutcome], baseline: Row) -> str:
    """Markdown: errors by shape and architecture, the baseline first."""
    lines = ["| shape | architecture | next day | mean of 14 days |", "|---|---|---|---|"]
    for row in (baseline, *rows(outcomes)):
        further = "" if row.mae_mean_of_14 is None else f"{row.mae_mean_of_14:,.0f}"
        lines.append(f"| {row.shape} | {row.architecture} | {row.mae_next_day:,.0f} | {further} |")
    return "\n".join(lines)


def plot(outcomes: Sequence[ShapeOutcome], baseline: Row) -> bytes:
    """Errors of the next day and of 14 days by shape, a mark for each architecture."""
    assert baseline.mae_mean_of_14 is not None
    next_day: dict[str, dict[str, float]] = {}
    mean_of_14: dict[str, dict[str, float]] = {}
    for row in rows(outcomes):
        next_day.setdefault(row.architecture, {})[row.shape] = row.mae_next_day
        if row.mae_mean_of_14 is not None:
            mean_of_14.setdefault(row.architecture, {})[row.shape] = row.mae_mean_of_14
    return plots.shapes(
        {"next day": next_day, "mean of 14 days": mean_of_14},
        {"next day": baseline.mae_next_day, "mean of 14 days": baseline.mae_mean_of_14},
        baseline.shape,
    )


def main(arguments: list[str] | None = None) -> None:
    """Sweep, print a table, write a plot into the folder."""
    parser = argparse.ArgumentParser(
        prog="python -m training.experiments.shapes", description="One network, asked in many ways."
    )
    parser.add_argument("folder", type=Path, help="where outcomes are kept")
    parser.add_argument("--architectures", nargs="+", choices=SETTINGS, default=["rnn"], help="default: rnn")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="default: 0")
    chosen = parser.parse_args(arguments)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    days = chicago()
    outcomes = sweep(chosen.folder, days, chosen.architectures, chosen.seeds)
    baseline = last_week_repeated(days)
    print(f"\nMean absolute error, boardings a day; the median over seeds\n\n{table(outcomes, baseline)}\n")
    (chosen.folder / "shapes.svg").write_bytes(plot(outcomes, baseline))


if __name__ == "__main__":
    main()
