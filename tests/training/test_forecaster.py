"""The forecaster: nothing later than a step reaches its forecast, in the graph that is served; nothing breaks it."""

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bundle.golden import Arrays, Run
from bundle.tensors import TensorSpec
from tests.training.small import VARIANTS, unfitted
from tests.training.tiny_recipes import made_up_boardings, tiny_ridership
from training.export import session, trace
from training.models import ARCHITECTURES
from training.models.forecaster import WEEK, EveryStep, Forecaster, ForecasterConfig, LastStep
from training.models.linear import LinearConfig
from training.recipes.ridership import ridership
from training.tasks.forecast.origins import Origins
from training.tasks.forecast.samples import SeriesSamples

RECIPE = tiny_ridership()
CONFIG = RECIPE.network
T, H, Q = RECIPE.context_length, CONFIG.horizon, len(CONFIG.quantile_levels)
MIDDLE = Q // 2
SERIES = made_up_boardings(dt.date(2018, 1, 1), 300, seed=3)
REFERENCES = torch.tensor([[6e5, 7e5, 4e5, 3e5], [7e5, 8e5, 5e5, 4e5]])

Inputs = dict[str, NDArray[Any]]


def forecaster(config: ForecasterConfig = CONFIG) -> Forecaster:
    """Untrained, with an output so steep that whatever is read shows."""
    torch.manual_seed(0)
    network = Forecaster(config, "wavenet", RECIPE.settings, REFERENCES).eval()
    with torch.no_grad():
        network.output.weight.normal_(std=0.5)
    return network


@torch.no_grad()
def forecasts(inputs: Arrays, graph: LastStep | None = None) -> NDArray[np.float32]:
    graph = graph or LastStep(forecaster())
    output: NDArray[np.float32] = graph(*(torch.from_numpy(array) for array in inputs.values())).numpy()
    return output


def exported(graph: LastStep, shape: list[int | str]) -> Run:
    """The graph in onnxruntime."""
    inputs = [
        TensorSpec(name="history", dtype="float32", shape=["batch", "context"]),
        TensorSpec(name="past_bus", dtype="float32", shape=["batch", "context"]),
        TensorSpec(name="future_day_type", dtype="int64", shape=["batch", "context_and_horizon"]),
    ]
    outputs = [TensorSpec(name="quantiles", dtype="float32", shape=shape)]
    samples = SeriesSamples(("bus",), H, len(RECIPE.day_types))
    return session(trace(unfitted(graph, inputs, outputs, samples, golden={})))


@pytest.fixture(scope="module")
def last_step() -> Run:
    return exported(LastStep(forecaster()), ["batch", H, Q])


@pytest.fixture(scope="module")
def every_step() -> Run:
    """The same weights, with the forecasts of every step."""
    return exported(EveryStep(forecaster()), ["batch", "context", H, Q])


@pytest.fixture
def known() -> Inputs:
    """A context of made-up days and the day types of two weeks more; one row."""
    begin = SERIES.start + dt.timedelta(days=150)
    return Origins.of(SERIES, RECIPE.spec(), begin, begin).inputs


def furthest(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max())


# --- shape and order -------------------------------------------------------------------------------------------------


def test_both_graphs_are_those_in_torch_and_their_quantiles_ascend(
    known: Inputs, last_step: Run, every_step: Run
) -> None:
    rows = {name: np.concatenate([array] * 3) for name, array in known.items()}
    last, every = last_step(rows)["quantiles"], every_step(rows)["quantiles"]
    assert last.shape == (3, H, Q)
    assert every.shape == (3, T, H, Q)
    assert (np.diff(last, axis=-1) > 0).all()
    assert (np.diff(every, axis=-1) > 0).all()
    assert furthest(last, forecasts(rows)) < 1e-6
    assert furthest(every, forecasts(rows, EveryStep(forecaster()))) < 1e-6
    assert furthest(every[:, -1], last) < 1e-6


def test_calibration_moves_quantiles_away_from_the_median(known: Inputs) -> None:
    network = forecaster()
    before = forecasts(known, LastStep(network))
    widening = torch.cat([torch.arange(MIDDLE, 0, -1), torch.ones(1), torch.arange(1, MIDDLE + 1)])
    network.calibrate(widening)
    after = forecasts(known, LastStep(network))
    median = before[..., MIDDLE : MIDDLE + 1]
    np.testing.assert_allclose(after, median + (before - median) * widening.numpy(), rtol=1e-5)


# --- nothing later ---------------------------------------------------------------------------------------------------

STEPS = (0, 1, 6, 7, 40, 83, 84, 110)


def other_values(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(1e4, 2e6, T).astype(np.float32)


@pytest.mark.parametrize("step", STEPS)
def test_forecast_never_changes_with_what_comes_later(step: int, known: Inputs, every_step: Run) -> None:
    expected = every_step(known)["quantiles"]
    later, codes_later = np.arange(T) > step, np.arange(T + H) > step + H
    history, bus, codes = known["history"], known["past_bus"], known["future_day_type"]
    for hidden in (other_values(1), np.full(T, np.nan), np.zeros(T)):
        later_changed = known | {
            "history": np.where(later, hidden, history).astype(np.float32),
            "past_bus": np.where(later, hidden, bus).astype(np.float32),
            "future_day_type": np.where(codes_later, codes % 3 + 1, codes),
        }
        got = every_step(later_changed)["quantiles"]
        np.testing.assert_array_equal(got[:, : step + 1], expected[:, : step + 1])
        assert furthest(got[:, step + 1 :], expected[:, step + 1 :]) > 1e-3


@pytest.mark.parametrize("step", STEPS[1:])  # the first day's bus is measured by itself, so it says little
def test_forecast_changes_with_each_thing_it_may_know(step: int, known: Inputs, every_step: Run) -> None:
    expected = every_step(known)["quantiles"][0, step]
    now, ahead = np.arange(T) == step, np.arange(T + H) == step + H
    codes = known["future_day_type"]
    changes = {
        "history": np.where(now, known["history"] * 1.5, known["history"]).astype(np.float32),
        "past_bus": np.where(now, known["past_bus"] * 1.5, known["past_bus"]).astype(np.float32),
        "future_day_type": np.where(ahead, codes % 3 + 1, codes),
    }
    for name, array in changes.items():
        assert furthest(every_step(known | {name: array})["quantiles"][0, step], expected) > 1e-4, name


@pytest.mark.parametrize("ahead", range(1, H))
def test_forecast_of_a_day_does_not_depend_on_day_types_after_it(ahead: int, known: Inputs, last_step: Run) -> None:
    expected = last_step(known)["quantiles"]
    codes = known["future_day_type"]
    for other in (codes % 3 + 1, np.zeros_like(codes)):
        after = np.where(np.arange(T + H) >= T + ahead, other, codes)
        got = last_step(known | {"future_day_type": after})["quantiles"]
        np.testing.assert_array_equal(got[:, :ahead], expected[:, :ahead])
    assert furthest(last_step(known | {"future_day_type": codes % 3 + 1})["quantiles"], expected) > 1e-2


def test_architecture_that_sees_later_steps_is_refused() -> None:
    refused = []
    for variant, (name, settings) in VARIANTS.items():
        if not ARCHITECTURES[name].build(2, settings).causal:
            with pytest.raises(ValueError, match=f"{name} is not causal"):
                Forecaster(CONFIG, name, settings, REFERENCES)
            refused.append(variant)
    assert "cnn" in refused
    assert "cnn causal" not in refused


def test_architecture_that_sees_less_than_the_horizon_is_refused() -> None:
    with pytest.raises(ValueError, match="sees 13 steps, fewer than the 14 it is to forecast"):
        Forecaster(CONFIG, "linear", LinearConfig(outputs=4, window=H - 1), REFERENCES)
    Forecaster(CONFIG, "linear", LinearConfig(outputs=4, window=H), REFERENCES)


def test_shipped_forecaster_sees_eight_weeks_at_least() -> None:
    recipe = ridership("wavenet")
    network = Forecaster(recipe.network, recipe.architecture, recipe.settings, REFERENCES)
    assert network.body.receptive_field >= 8 * WEEK
    assert recipe.context_length >= 8 * WEEK


@pytest.mark.parametrize(
    ("change", "message"),
    [({"horizon": 7}, "horizon must be 14"), ({"lag_weeks": 7, "anchor_weeks": 6}, "lag_weeks must not exceed")],
)
def test_impossible_settings_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        forecaster(dataclasses.replace(CONFIG, **change))  # type: ignore[arg-type]


# --- padding and neighbours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [1, 40, 200])
@pytest.mark.parametrize("code", [0, 1, 3])
@pytest.mark.parametrize("days", [1, 5, T])
def test_absent_days_before_the_series_never_change_its_forecast(
    extra: int, code: int, days: int, known: Inputs, last_step: Run
) -> None:
    series = {name: array[:, T - days :] for name, array in known.items()}
    padded = {
        name: np.pad(array, ((0, 0), (extra, 0)), constant_values=code if array.dtype == np.int64 else np.nan)
        for name, array in series.items()
    }
    assert furthest(last_step(padded)["quantiles"], last_step(series)["quantiles"]) < 1e-6


def test_short_series_is_forecast_alike_with_and_without_its_absent_days(known: Inputs, last_step: Run) -> None:
    short = {name: array[:, T - 20 :] for name, array in known.items()}
    history, bus = known["history"].copy(), known["past_bus"].copy()
    history[:, : T - 20], bus[:, : T - 20] = np.nan, np.nan
    filled = last_step(known | {"history": history, "past_bus": bus})["quantiles"]
    assert furthest(last_step(short)["quantiles"], filled) < 1e-6
    assert furthest(filled, last_step(known)["quantiles"]) > 1e-3


def test_neighbours_in_a_batch_never_change_a_forecast(last_step: Run) -> None:
    rows = SeriesSamples(("bus",), H, 3).draw(np.random.default_rng(0), 64, T)
    rows["history"][5] = np.nan
    rows["history"][6] = 0
    rows["history"][7] *= 1e20
    together = last_step(rows)["quantiles"]
    for row in range(64):
        alone = last_step({name: array[row : row + 1] for name, array in rows.items()})["quantiles"]
        assert furthest(alone[0], together[row]) < 1e-6


# --- what callers send -----------------------------------------------------------------------------------------------


def edge_cases() -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """History and bus."""
    nothing, plain = np.full(T, np.nan), np.full(T, 5e5)
    one, spike = nothing.copy(), plain.copy()
    one[-1], spike[50] = 5e5, 1e30
    week = np.tile([1.0, 1, 1, 1, 1, 0, 0], T // WEEK)
    return {
        "nothing known": (nothing, nothing),
        "no bus": (plain, nothing),
        "bus alone": (nothing, plain),
        "one day known": (one, nothing),
        "all zero": (0 * plain, 0 * plain),
        "zero rail": (0 * plain, plain),
        "very large": (1e30 * week, 1e30 * week),
        "very small": (1e-30 * week, 1e-30 * week),
        "below zero": (-plain, plain),
        "a spike": (spike, plain),
        "growing a thousandfold": (np.geomspace(1e3, 1e6, T), plain),
        "shrinking a thousandfold": (np.geomspace(1e6, 1e3, T), plain),
    }


@pytest.mark.parametrize("case", sorted(edge_cases()))
@pytest.mark.parametrize("code", [None, 0, 3])
def test_any_history_gives_finite_ordered_quantiles(case: str, code: int | None, known: Inputs, last_step: Run) -> None:
    history, bus = (array.astype(np.float32)[None] for array in edge_cases()[case])
    codes = known["future_day_type"] if code is None else np.full((1, T + H), code)
    quantiles = last_step({"history": history, "past_bus": bus, "future_day_type": codes})["quantiles"]
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=-1) >= 0).all()


@pytest.mark.parametrize("factor", [0.1, 20.0, 1e6])
def test_forecast_scales_with_its_series(factor: float, known: Inputs, last_step: Run) -> None:
    scaled = known | {name: (known[name] * factor).astype(np.float32) for name in ("history", "past_bus")}
    assert furthest(last_step(scaled)["quantiles"] / factor, last_step(known)["quantiles"]) < 1e-3


def test_unknown_day_type_is_taken_to_be_that_of_a_week_before(known: Inputs, last_step: Run) -> None:
    codes = known["future_day_type"].copy()
    codes[0, T - 30] = codes[0, T - 30 - WEEK] % 3 + 1  # not what the calendar would say
    for unknown in (slice(T - 23, T - 22), slice(T - 7, T), slice(T, T + H)):
        hidden, filled = codes.copy(), codes.copy()
        hidden[0, unknown] = 0
        for place in range(T + H)[unknown]:
            filled[0, place] = filled[0, place - WEEK]
        got = last_step(known | {"future_day_type": hidden})["quantiles"]
        expected = last_step(known | {"future_day_type": filled})["quantiles"]
        np.testing.assert_array_equal(got, expected)
        shifted = last_step(known | {"future_day_type": np.where(hidden == 0, filled % 3 + 1, hidden)})["quantiles"]
        assert furthest(shifted, expected) > 1e-4


def test_training_leaves_unknown_day_types_unknown(known: Inputs) -> None:
    graph = LastStep(forecaster())
    codes = known["future_day_type"].copy()
    codes[0, T:] = 0
    hidden = known | {"future_day_type": codes}
    in_use = forecasts(hidden, graph)
    graph.train()  # without dropout: nothing else is random
    assert CONFIG.dropout == RECIPE.settings.dropout == 0
    assert furthest(forecasts(hidden, graph), in_use) > 1e-3
    np.testing.assert_array_equal(forecasts(known, graph), forecasts(known, graph.eval()))
