"""Sampled trajectories: models whose distribution many steps ahead is known, written by hand."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bundle.golden import Arrays
from bundle.tasks.forecast.spec import ForecastSpec, FutureCovariate, PastCovariate
from service.engine.admission import Admission
from service.engine.batcher import Batcher, Limits
from service.engine.columns import ColumnEngine, Columns
from service.errors import DeadlineExceeded
from service.tasks.forecast.trajectories import (
    NUM_TRAJECTORIES,
    SERIES_AT_ONCE,
    Compute,
    KnownSteps,
    Quantiles,
    draw_levels,
    forecast_recursively,
    pooled,
    quantile_function,
)
from service.telemetry.request_record import RequestRecord

LEVELS = np.array([0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975])
NORMAL: NDArray[np.float64] = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
HORIZON, CONTEXT = 4, 30
SPEC = ForecastSpec(
    target="y", unit="", freq="D", season=7, context_length=CONTEXT, horizon=HORIZON, quantile_levels=LEVELS.tolist()
)
STEPS: NDArray[np.float64] = np.arange(1.0, HORIZON + 1)

Row = Mapping[str, NDArray[np.generic]]
"""What the graph reads of one series, without the axis of the rows."""
Model = Callable[[Row], NDArray[np.float64]]
"""One row -> its quantiles `[horizon, levels]`."""


def newest(row: Row) -> float:
    return float(row["history"][-1].item())


def random_walk(row: Row) -> NDArray[np.float64]:
    return newest(row) + np.sqrt(STEPS)[:, None] * NORMAL


def autoregression(row: Row) -> NDArray[np.float64]:
    """Half of the value before, and noise of variance one: in the long run of variance 4/3 around nought."""
    variance = (1 - 0.25**STEPS) / 0.75
    return newest(row) * (0.5**STEPS)[:, None] + np.sqrt(variance)[:, None] * NORMAL


def forgetful(row: Row) -> NDArray[np.float64]:
    return np.exp(NORMAL) * STEPS[:, None]


class Engine:
    """Answers rows by a model; remembers what it was asked, and how many rows were under way at once."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.asked: list[list[Row]] = []
        self.under_way = self.most_under_way = 0

    async def __call__(self, arrays: Arrays) -> Quantiles:
        rows = each(arrays)
        self.asked.append(rows)
        self.under_way += len(rows)
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= len(rows)
        return np.stack([self.model(row) for row in rows]).astype(np.float32)


def each(arrays: Arrays) -> list[Row]:
    return [{name: array[index] for name, array in arrays.items()} for index in range(len(arrays["history"]))]


def row(last: float = 0.0, **others: NDArray[Any]) -> Row:
    return {"history": np.full(CONTEXT, last, dtype=np.float32), **others}


def begin(model: Model, row: Row, codes: Row | None = None) -> KnownSteps:
    return KnownSteps(row, codes or {}, model(row))


def iterate(model: Model, rows: list[Row], horizon: int, compute: Compute | None = None) -> NDArray[np.float64]:
    return asyncio.run(
        forecast_recursively([begin(model, one) for one in rows], SPEC, horizon, compute or Engine(model))
    )


def spread(quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width of the interval of 80 %, in units of a standard deviation."""
    return np.asarray((quantiles[:, 10] - quantiles[:, 2]) / (NORMAL[10] - NORMAL[2]))


def test_random_walk_widens_with_the_root_of_the_step() -> None:
    [quantiles] = iterate(random_walk, [row(100.0)], 40)
    expected = np.sqrt(np.arange(1, 41))
    assert quantiles.shape == (40, 13)
    np.testing.assert_allclose(spread(quantiles), expected, rtol=0.15)
    assert (np.abs(quantiles[:, 6] - 100) < 0.2 * expected).all()
    assert spread(quantiles)[-1] > 2.5 * spread(quantiles)[HORIZON - 1], "fed back, a median would forget"


def test_autoregression_settles_at_its_own_spread() -> None:
    [quantiles] = iterate(autoregression, [row(8.0)], 60)
    np.testing.assert_allclose(spread(quantiles)[10:], np.sqrt(4 / 3), rtol=0.08)
    assert (np.abs(quantiles[20:, 6]) < 0.2).all()


def test_first_block_is_the_models_own() -> None:
    [quantiles] = iterate(random_walk, [row(3.0)], 11)
    np.testing.assert_array_equal(quantiles[:HORIZON], random_walk(row(3.0)))


def test_where_all_trajectories_agree_their_quantiles_come_back() -> None:
    [quantiles] = iterate(forgetful, [row()], 10)
    again = forgetful(row())
    np.testing.assert_allclose(quantiles, np.concatenate([again, again, again])[:10], rtol=0.01)


def test_longer_horizon_begins_like_a_shorter_one() -> None:
    np.testing.assert_array_equal(iterate(random_walk, [row(5.0)], 9)[0], iterate(random_walk, [row(5.0)], 30)[0][:9])


def test_same_answer_each_time_and_whoever_is_beside() -> None:
    rows = [row(float(n)) for n in range(7)]
    together = iterate(random_walk, rows, 20)
    for place in (0, 6):
        np.testing.assert_array_equal(iterate(random_walk, [rows[place]], 20)[0], together[place])


def test_trajectories_are_appended_to_the_history() -> None:
    engine = Engine(random_walk)
    iterate(random_walk, [row(9.0)], 3 * HORIZON, engine)
    first, second = (np.array([one["history"] for one in rows]) for rows in engine.asked)
    assert first.shape == second.shape == (NUM_TRAJECTORIES, CONTEXT)
    assert (first[:, :-HORIZON] == 9).all()
    assert len(np.unique(first[:, -1])) == NUM_TRAJECTORIES
    np.testing.assert_array_equal(second[:, :-HORIZON], first[:, HORIZON:])


def test_covariates_move_with_the_steps() -> None:
    spec = SPEC.model_copy(
        update={
            "past_covariates": [PastCovariate(name="bus", unit="")],
            "future_covariates": [FutureCovariate(name="kind", categories=["a", "b"])],
        }
    )

    def shows_its_code(row: Row) -> NDArray[np.float64]:
        return np.tile(row["future_kind"][CONTEXT:, None].astype(np.float64), len(LEVELS))

    codes = np.arange(CONTEXT + 3 * HORIZON, dtype=np.int64)
    bus = np.arange(CONTEXT, dtype=np.float32)
    read = row(past_bus=bus, future_kind=codes[: CONTEXT + HORIZON])
    engine = Engine(shows_its_code)
    [quantiles] = asyncio.run(
        forecast_recursively([begin(shows_its_code, read, {"future_kind": codes})], spec, 3 * HORIZON - 1, engine)
    )
    np.testing.assert_allclose(quantiles[:, 6], np.arange(CONTEXT, CONTEXT + 3 * HORIZON - 1))
    for block, rows in enumerate(engine.asked, start=1):
        known = CONTEXT - block * HORIZON
        np.testing.assert_array_equal(rows[0]["past_bus"][:known], bus[block * HORIZON :])
        assert np.isnan(rows[0]["past_bus"][known:]).all()


def test_what_is_no_covariate_stays() -> None:
    freq = np.array([4], dtype=np.int64)
    engine = Engine(random_walk)
    iterate(random_walk, [row(freq=freq)], 3 * HORIZON, engine)
    assert all(one["freq"].tolist() == [4] for rows in engine.asked for one in rows)


def test_model_that_stops_giving_numbers_gives_nan_from_there_on() -> None:
    def explosive(row: Row) -> NDArray[np.float64]:
        if newest(row) > 1e30:
            return np.full((HORIZON, len(LEVELS)), np.inf)
        return 1e12 * newest(row) * STEPS[:, None] + NORMAL

    engine = Engine(explosive)
    [quantiles] = iterate(explosive, [row(1.0)], 10 * HORIZON, engine)
    assert np.isfinite(quantiles[: 2 * HORIZON]).all()
    assert np.isnan(quantiles[-1]).all()
    assert len(engine.asked) < 5


def test_few_series_are_under_way_at_once() -> None:
    engine = Engine(random_walk)
    answers = iterate(random_walk, [row(float(n)) for n in range(20)], 12, engine)
    assert len(answers) == 20
    assert engine.most_under_way == SERIES_AT_ONCE * NUM_TRAJECTORIES


def test_failure_of_the_model_stops_all() -> None:
    class Broken(Engine):
        async def __call__(self, arrays: Arrays) -> Quantiles:
            await super().__call__(arrays)
            raise RuntimeError("broken")

    engine = Broken(random_walk)
    with pytest.raises(RuntimeError, match="broken"):
        iterate(random_walk, [row()] * 20, 400, engine)
    assert len(engine.asked) < 2 * SERIES_AT_ONCE


def test_deadline_stops_the_trajectories() -> None:
    calls: list[int] = []

    def run_graph(arrays: Arrays) -> Arrays:
        calls.append(len(arrays["history"]))
        return {"quantiles": np.stack([random_walk(one) for one in each(arrays)]).astype(np.float32)}

    async def run() -> int:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(ColumnEngine(run_graph), executor, Limits(64, 100_000, 8))

            async def compute(rows: Arrays) -> Quantiles:
                answers = await batcher.submit(Columns(rows), admission.deadline, RequestRecord())
                return answers.arrays["quantiles"]

            with pytest.raises(DeadlineExceeded), Admission(batcher, time.monotonic() + 0.2) as admission:
                await forecast_recursively([begin(random_walk, row())] * 50, SPEC, 10_000 * HORIZON, compute)
            await asyncio.sleep(0.05)  # the batch being computed ends
            count = len(calls)
            await asyncio.sleep(0.1)
            assert len(calls) == count
            with Admission(batcher, time.monotonic() + 5) as admission:
                assert len(await compute({"history": row()["history"][None]})) == 1
            return count

    assert asyncio.run(run()) >= 1


def test_levels_of_a_step_are_equally_spaced_and_neighbours_depend() -> None:
    levels = draw_levels(np.random.default_rng(1), 200)
    np.testing.assert_allclose(np.sort(levels, axis=0), np.tile(((np.arange(64) + 0.5) / 64)[:, None], (1, 200)))
    noise = np.vectorize(NormalDist().inv_cdf)(levels)
    correlation = [np.corrcoef(noise[:, step], noise[:, step + lag])[0, 1] for lag in (1, 10) for step in range(190)]
    assert np.mean(correlation[:190]) == pytest.approx(0.7, abs=0.05)
    assert np.mean(correlation[190:]) == pytest.approx(0.7**10, abs=0.05)


def test_quantile_function_is_linear_inside_and_exponential_outside() -> None:
    levels, quantiles = np.array([0.1, 0.2, 0.5, 0.8, 0.9]), np.array([-2.0, -1.0, 0.0, 3.0, 5.0])
    wanted = np.array([0.1, 0.15, 0.5, 0.65, 0.9, 0.05, 0.025, 0.95, 0.975])
    expected = [-2, -1.5, 0, 1.5, 5, -3, -4, 7, 9]
    np.testing.assert_allclose(quantile_function(quantiles, levels, wanted), expected)


@given(st.lists(st.floats(-1e30, 1e30), min_size=24, max_size=24))
@settings(deadline=None)
def test_mixture_keeps_the_order_of_levels(values: list[float]) -> None:
    levels = np.array([0.05, 0.5, 0.95])
    conditional = np.sort(np.array(values).reshape(4, 2, 3), axis=-1)
    mixture = pooled(conditional, levels)
    assert mixture.shape == (2, 3)
    assert (np.diff(mixture, axis=-1) >= 0).all()
    assert (mixture[:, 1] >= conditional[:, :, 0].min(axis=0)).all()
    assert (mixture[:, 1] <= conditional[:, :, 2].max(axis=0)).all()


def test_mixture_of_two_far_apart_has_both() -> None:
    far = np.stack([NORMAL - 100, NORMAL + 100] * 32)[:, None, :]
    [mixture] = pooled(far, LEVELS)
    assert mixture[2] == pytest.approx(-100 + NormalDist().inv_cdf(0.2), abs=0.05)
    assert mixture[10] == pytest.approx(100 + NormalDist().inv_cdf(0.8), abs=0.05)
