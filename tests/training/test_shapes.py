"""Shapes of problem by experiment: what is read and asked is aligned, nothing sees ahead, a sweep goes on."""

import dataclasses
import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bundle.tasks.forecast.series import DAY_TYPES, day_type
from tests.training.tiny_recipes import made_up_boardings
from training.data.covariate_series import CovariateSeries
from training.experiments import shapes
from training.experiments.shapes import (
    BUS,
    COLUMNS,
    CONTEXT,
    DAY_TYPE,
    HORIZON,
    RAIL,
    SETTINGS,
    SHAPES,
    Days,
    Network,
    Row,
    Shape,
    ShapeOutcome,
    columns,
    fitted,
    forecast,
    iterate,
    last_week_repeated,
    loss,
    rows,
    run,
    sweep,
    table,
    windows,
)
from training.fit import Schedule
from training.models import ARCHITECTURES
from training.models.cnn import CNNConfig
from training.models.dense import DenseConfig
from training.models.rnn import RNNConfig

SMALL = RNNConfig("gru", units=6)
QUICK = Schedule(
    max_epochs=2, patience=2, batch_size=32, learning_rate=1e-2, weight_decay=0.0, warm_up_steps=2, average_decay=0.5
)
BY_NAME = {shape.name: shape for shape in SHAPES}
NEXT_DAY, EVERY_STEP = BY_NAME["next day"], BY_NAME["multivariate, 14 days at every step"]
ITERATED = [shape for shape in SHAPES if shape.iterated]
MULTI_TASK = BY_NAME["multi-task, iterated"]

every_shape = pytest.mark.parametrize("shape", SHAPES, ids=BY_NAME)
iterated_shape = pytest.mark.parametrize("shape", ITERATED, ids=[shape.name for shape in ITERATED])


def days_of(series: CovariateSeries) -> Days:
    return Days(
        series,
        training_start=dt.date(2018, 1, 10),
        selection_start=dt.date(2018, 9, 1),
        selection_end=dt.date(2018, 10, 15),
        reporting_start=dt.date(2018, 11, 1),
        reporting_end=dt.date(2018, 12, 5),
    )


@pytest.fixture(scope="module")
def days() -> Days:
    return days_of(made_up_boardings(dt.date(2018, 1, 1), 350, 1))


@pytest.fixture(scope="module")
def numbered() -> Days:
    """Rail boardings are the number of the day, bus boardings its negative."""
    made_up = made_up_boardings(dt.date(2018, 1, 1), 350, 1)
    number = np.arange(350.0)
    return days_of(dataclasses.replace(made_up, target=number, past={"bus": -number}))


def network(shape: Shape, days: Days, architecture: str = "rnn", settings: Any = SMALL) -> Network:
    torch.manual_seed(0)
    return Network(shape, architecture, settings, columns(days.series)).eval()


# --- days ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [1, HORIZON])
def test_step_t_stands_beside_the_days_after_it(numbered: Days, ahead: int) -> None:
    found = windows(numbered.series, dt.date(2018, 5, 1), dt.date(2018, 7, 31), ahead)
    first, last = 120, 211
    number = (
        first
        - CONTEXT
        + torch.arange(last - first + 2 - ahead)[:, None, None]
        + torch.arange(CONTEXT)[:, None]
        + torch.arange(ahead + 1)
    )
    assert torch.equal(found[:, :, :, 0], number.float())
    assert torch.equal(found[:, :, :, 1], -number.float())
    assert found[0, -1, 1, 0] == first
    assert found[-1, -1, -1, 0] == last


def test_window_needs_the_days_before_it(numbered: Days) -> None:
    assert windows(numbered.series, dt.date(2018, 2, 26), dt.date(2018, 3, 1), 1)[0, 0, 0, 0] == 0
    with pytest.raises(ValueError, match="2017-12-31 is outside the series"):
        windows(numbered.series, dt.date(2018, 2, 25), dt.date(2018, 3, 1), 1)


def test_day_type_read_is_that_of_the_day_forecast(numbered: Days) -> None:
    found = windows(numbered.series, dt.date(2018, 5, 1), dt.date(2018, 7, 31), 1)
    for window in found[::7]:
        for known, to_forecast in window:
            date = numbered.series.date_at(int(to_forecast[0]))
            assert known[2:].tolist() == [day_type(date) == kind for kind in DAY_TYPES]


def test_day_after_the_last_one_has_its_type(days: Days) -> None:
    after = days.series.date_at(len(days.series.target))
    assert columns(days.series)[-1, 2:].tolist() == [day_type(after) == kind for kind in DAY_TYPES]


@every_shape
def test_parts_keep_to_their_days(numbered: Days, shape: Shape) -> None:
    training, selection, reporting = (
        part(shape.horizon)[:, :, :, 0] for part in (numbered.training, numbered.selection, numbered.reporting)
    )
    index_of = numbered.series.index_of
    assert training.min() == index_of(dt.date(2018, 1, 10))
    assert training.max() == index_of(dt.date(2018, 8, 31))
    assert selection[:, -1, 1:].min() == index_of(dt.date(2018, 9, 1))
    assert selection.max() == index_of(dt.date(2018, 10, 15))
    assert reporting[:, -1, 1:].min() == index_of(dt.date(2018, 11, 1))
    assert reporting.max() == index_of(dt.date(2018, 12, 5))


def test_what_comes_after_the_selection_changes_nothing_in_a_network(days: Days) -> None:
    series, after = days.series, days.series.index_of(days.selection_end) + 1
    rail, bus = series.target.copy(), series.past["bus"].copy()
    rail[after:] *= 3
    bus[after:] *= 3
    other = days_of(dataclasses.replace(series, target=rail, past={"bus": bus}))
    found, best_epoch = fitted(MULTI_TASK, days, "rnn", SMALL, 0, QUICK)
    same, same_epoch = fitted(MULTI_TASK, other, "rnn", SMALL, 0, QUICK)
    assert best_epoch == same_epoch
    for name, weights in found.state_dict().items():
        assert torch.equal(weights, same.state_dict()[name])


@pytest.mark.real_data
@pytest.mark.usefixtures("real_data")
def test_origins_and_baseline_are_the_lectures() -> None:
    chicago = shapes.chicago()
    assert (len(chicago.reporting(1)), len(chicago.reporting(HORIZON))) == (95, 82)
    baseline = last_week_repeated(chicago)
    assert baseline.mae_next_day == pytest.approx(41_274, abs=1)
    assert baseline.mae_mean_of_14 == pytest.approx(39_756, abs=1)


# --- networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_later_day_changes_no_earlier_forecast(days: Days, architecture: str) -> None:
    built = network(EVERY_STEP, days, architecture, SETTINGS[architecture])
    known = days.reporting(1)[:2, :, 0]
    changed = known.clone()
    changed[:, 40, :2] *= 2
    with torch.no_grad():
        before, after = built(known), built(changed)
    assert before.shape == (2, CONTEXT, HORIZON, 1)
    assert torch.equal(before[:, :40], after[:, :40])
    assert (before[:, 40] != after[:, 40]).all()


def test_centred_convolutions_can_only_be_asked_at_the_last_step(days: Days) -> None:
    centred = CNNConfig(filters=4, kernel_sizes=(3,))
    assert network(NEXT_DAY, days, "cnn", centred)(days.reporting(1)[:2, :, 0]).isfinite().all()
    with pytest.raises(ValueError, match="choose causal settings"):
        network(EVERY_STEP, days, "cnn", centred)


@every_shape
def test_a_network_reads_its_inputs_and_nothing_else(days: Days, shape: Shape) -> None:
    built = network(shape, days)
    known = days.reporting(1)[:2, :, 0]
    read = [column for name in shape.inputs for column in COLUMNS[name]]
    with torch.no_grad():
        answer = built(known)
        for column in range(known.shape[2]):
            unknown = known.clone()
            unknown[:, :, column] = torch.nan
            expected = torch.full_like(answer, torch.nan) if column in read else answer
            torch.testing.assert_close(built(unknown), expected, equal_nan=True, rtol=0, atol=0)


@every_shape
def test_loss_is_taken_at_every_step_in_training_and_at_the_last_otherwise(days: Days, shape: Shape) -> None:
    built = network(shape, days)
    known = days.training(shape.horizon)[:8]
    targets = [COLUMNS[name][0] for name in shape.targets]
    with torch.no_grad():
        deviation = torch.from_numpy(columns(days.series)[:, targets].std(axis=0))
        error = (built(known[:, :, 0]) - known[:, :, 1:, targets]).abs() / deviation
        at_the_last = error[:, -1].mean()
        torch.testing.assert_close(loss(shape, built, [known]), at_the_last)
        in_training = error.mean() if shape.every_step else at_the_last
        torch.testing.assert_close(loss(shape, built.train(), [known]), in_training)
        assert shape.every_step == (not torch.isclose(in_training, at_the_last))


# --- iterating -------------------------------------------------------------------------------------------------------


@iterated_shape
def test_iterating_is_feeding_back_by_hand(days: Days, shape: Shape) -> None:
    built = network(shape, days)
    known = days.reporting(HORIZON)[:3]
    found = iterate(built, known)
    assert found.shape == (3, HORIZON, len(shape.targets))
    for origin in range(3):
        series = days.series.until(days.reporting_start + dt.timedelta(days=origin))
        for day in range(HORIZON):
            with torch.no_grad():
                next_day = built(torch.from_numpy(columns(series)[None, -CONTEXT:]))[0, -1, 0]
            torch.testing.assert_close(next_day, found[origin, day])
            rail, bus = next_day.tolist() if len(next_day) == 2 else (next_day.item(), math.nan)
            date = series.date_at(len(series.target))
            series = CovariateSeries(
                series.start,
                np.append(series.target, rail),
                {"bus": np.append(series.past["bus"], bus)},
                {"day_type": [*series.future["day_type"], day_type(date)]},
            )


@iterated_shape
def test_iterating_reads_no_boardings_of_the_days_ahead_and_begins_with_the_next_day(days: Days, shape: Shape) -> None:
    built = network(shape, days)
    known = days.reporting(HORIZON)[:3]
    unknown = known.clone()
    unknown[:, -1, 1:, :2] = torch.nan
    assert torch.equal(iterate(built, known), iterate(built, unknown))
    once = dataclasses.replace(shape, iterated=False)
    assert torch.equal(forecast(shape, built, known)[:, :1], forecast(once, built, known))


def test_series_that_is_not_forecast_cannot_be_read_again() -> None:
    with pytest.raises(ValueError, match="to be read again, bus must be forecast"):
        Shape("multivariate, iterated", (RAIL, BUS, DAY_TYPE), (RAIL,), 1, iterated=True)
    with pytest.raises(ValueError, match="1 day at a time, not 14"):
        Shape("fortnights, iterated", (RAIL,), (RAIL,), HORIZON, iterated=True)


# --- runs ------------------------------------------------------------------------------------------------------------


@every_shape
def test_outcome_has_the_errors_of_its_shape(days: Days, shape: Shape) -> None:
    found = run(shape, days, "rnn", SMALL, 0, QUICK)
    assert 0 < found.mae_next_day < 1e6
    assert (found.mae_mean_of_14 is not None) == (shape.iterated or shape.horizon == HORIZON)
    assert (found.mae_next_day_of_bus is not None) == (BUS in shape.targets)
    if found.mae_mean_of_14 is not None:
        assert 0 < found.mae_mean_of_14 < 1e6


def test_errors_are_those_of_the_last_steps_forecasts(days: Days) -> None:
    shape = BY_NAME["14 days at every step"]
    found = run(shape, days, "rnn", SMALL, 0, QUICK)
    built, _ = fitted(shape, days, "rnn", SMALL, 0, QUICK)
    first = days.series.index_of(days.reporting_start)
    next_day, fortnight = [], []
    for origin in range(first, first + 35):
        known = torch.from_numpy(columns(days.series)[None, origin - CONTEXT : origin])
        with torch.no_grad():
            said = built(known)[0, -1, :, 0].numpy()
        next_day.append(np.abs(said[0] - days.series.target[origin]))
        if origin + HORIZON <= first + 35:
            fortnight.append(np.abs(said - days.series.target[origin : origin + HORIZON]))
    assert found.mae_next_day == pytest.approx(np.mean(next_day), rel=1e-4)
    assert found.mae_mean_of_14 == pytest.approx(np.mean(fortnight), rel=1e-4)


def test_same_seed_gives_the_same_outcome_and_another_another(days: Days) -> None:
    first = run(EVERY_STEP, days, "rnn", SMALL, 1, QUICK)
    assert run(EVERY_STEP, days, "rnn", SMALL, 1, QUICK) == first
    assert run(EVERY_STEP, days, "rnn", SMALL, 2, QUICK).mae_next_day != first.mae_next_day


def test_knowing_the_day_type_beats_last_week() -> None:
    series = made_up_boardings(dt.date(2016, 1, 1), 1080, 1)
    long = dataclasses.replace(days_of(series), training_start=dt.date(2016, 1, 1))
    schedule = dataclasses.replace(QUICK, max_epochs=12, patience=12, learning_rate=2e-2, cosine=True)
    found = run(BY_NAME["multivariate, next day"], long, "dense", DenseConfig(units=(16,), window=7), 0, schedule)
    assert found.mae_next_day < 0.8 * last_week_repeated(long).mae_next_day


def test_sweep_runs_only_what_is_not_in_its_folder(days: Days, tmp_path: Path) -> None:
    chosen = SHAPES[:2]
    first = sweep(tmp_path, days, ["linear"], [0], chosen, lambda _: QUICK, progress=False)
    assert [outcome.shape for outcome in first] == ["next day", "next day, iterated"]

    kept = tmp_path / "next-day-linear-0.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"mae_next_day": 0.5}))
    (tmp_path / "next-day-iterated-linear-0.json").unlink()
    again = sweep(tmp_path, days, ["linear"], [0], chosen, lambda _: QUICK, progress=False)
    assert again == [dataclasses.replace(first[0], mae_next_day=0.5), first[1]]

    with pytest.raises(ValueError, match="other schedule;"):
        sweep(tmp_path, days, ["linear"], [0], chosen, progress=False)


# --- reports ---------------------------------------------------------------------------------------------------------


def outcome(shape: str, architecture: str, seed: int, next_day: float, mean_of_14: float | None) -> ShapeOutcome:
    return ShapeOutcome(shape, architecture, {}, {}, seed, 100, 1, next_day, mean_of_14, None, 1)


def test_rows_table_and_plot_show_medians_beside_the_last_week() -> None:
    outcomes = [
        outcome("next day", "rnn", 0, 25_000, None),
        outcome("14 days at once", "rnn", 0, 26_000, 30_000),
        outcome("next day", "rnn", 1, 24_000, None),
        outcome("next day", "rnn", 2, 90_000, None),
        outcome("next day", "cnn", 0, 23_000, None),
    ]
    baseline = Row("last week repeated", "", 41_274, 39_756)
    assert rows(outcomes) == [
        ("next day", "rnn", 25_000, None),
        ("14 days at once", "rnn", 26_000, 30_000),
        ("next day", "cnn", 23_000, None),
    ]
    assert table(outcomes, baseline).splitlines() == [
        "| shape | architecture | next day | mean of 14 days |",
        "|---|---|---|---|",
        "| last week repeated |  | 41,274 | 39,756 |",
        "| next day | rnn | 25,000 |  |",
        "| 14 days at once | rnn | 26,000 | 30,000 |",
        "| next day | cnn | 23,000 |  |",
    ]
    drawn = shapes.plot(outcomes, baseline)
    assert drawn == shapes.plot(outcomes, baseline)
    for text in (b"next day", b"14 days at once", b"last week repeated", b"rnn", b"cnn", b"mean of 14 days"):
        assert text in drawn
