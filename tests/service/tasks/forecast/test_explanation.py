"""`explain` of `POST /forecast`: segments of the history, and how much each counts."""

import datetime as dt
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from bundle.tasks.forecast.series import SEASONS, Freq
from service.errors import Invalid
from service.settings import Settings
from service.tasks.forecast.engine import decode_weights, with_hidden
from service.tasks.forecast.explanation import HiddenSegments, Segment, hide_segments, split, weigh
from tests.support.answers import forecast
from tests.support.made_up_data import boardings
from tests.support.running_app import running_app

HISTORY = boardings(dt.date(2019, 1, 1), 130, 5)
RAIL = HISTORY.rail.tolist()
WHOLE = {"values": RAIL, "start": "2019-01-01", "past_covariates": {"bus": HISTORY.bus.tolist()}}


def explain(client: TestClient, **body: Any) -> list[tuple[int, int, float]]:
    [one] = forecast(client, explain=True, **body)["forecasts"]
    return [(segment["start"], segment["end"], segment["weight"]) for segment in one["explanation"]]


@pytest.mark.parametrize(
    ("num_values", "context_length", "season", "edges"),
    [
        (28, 112, 7, [0, 7, 14, 21, 28]),
        (25, 112, 7, [0, 4, 11, 18, 25]),  # the oldest season is incomplete
        (130, 28, 7, [102, 109, 116, 123, 130]),  # what isn't read is no segment
        (32, 112, 1, list(range(33))),
        (33, 112, 1, [33 * part // 16 for part in range(17)]),  # too many seasons
        (21, 112, 7, [21 * part // 16 for part in range(17)]),  # too few
        (5, 112, 24, [0, 1, 2, 3, 4, 5]),
        (1, 112, 7, [0, 1]),
        (320, 160, 7, [160, *range(166, 321, 7)]),
    ],
)
def test_history_is_split_into_seasons_or_equal_parts(
    num_values: int, context_length: int, season: int, edges: list[int]
) -> None:
    segments = split(num_values, context_length, season)
    assert [segment.start for segment in segments] == edges[:-1]
    assert [segment.end for segment in segments] == edges[1:]


@given(st.integers(1, 2000), st.integers(1, 600), st.sampled_from(sorted(set(SEASONS.values()))))
def test_segments_are_what_the_model_reads(num_values: int, context_length: int, season: int) -> None:
    segments = split(num_values, context_length, season)
    assert len(segments) <= 32
    places = [place for start, end in segments for place in range(start, end)]
    assert places == list(range(max(0, num_values - context_length), num_values))
    assert all(start < end for start, end in segments)


def test_hiding_leaves_all_else_as_it_is() -> None:
    history = np.array([np.nan, 1, 2, 3, 4, 5], dtype=np.float32)
    hidden = hide_segments(history, 5, 1)
    assert hidden.segments == [Segment(place, place + 1) for place in range(5)]
    for place, rest in enumerate(hidden.without):
        assert np.flatnonzero(np.isnan(rest)).tolist() == [0, place + 1]
    assert np.isnan(history).sum() == 1


def test_rows_without_a_segment_keep_all_else() -> None:
    rows = {"history": np.array([[1, 2], [3, 4]], dtype=np.float32), "past_bus": np.array([[5, 6], [7, 8]])}
    hidden = [hide_segments(history, 2, 1) for history in np.array([[np.nan, 2], [3, 4]], dtype=np.float32)]
    together = with_hidden(rows, hidden)
    np.testing.assert_array_equal(together["history"], [[1, 2], [3, 4], [np.nan, 4], [3, np.nan]])
    np.testing.assert_array_equal(together["past_bus"], [[5, 6], [7, 8], [7, 8], [7, 8]])


def test_weights_are_shares_of_all_movements() -> None:
    median = np.array([10.0, 20.0])
    assert weigh(median, np.array([[11, 21], [10, 14], [10, 20]]), 10.0) == [0.25, 0.75, 0]
    assert weigh(median, np.array([[10, 20], [10, 20]]), 10.0) == [0, 0]
    assert weigh(median, np.array([[10, 20.000001], [10, 20]]), 10.0) == [0, 0]  # rounding is no movement


def test_weights_can_be_checked_by_sending_nulls(client: TestClient) -> None:
    [whole] = forecast(client, horizon=5, **WHOLE)["forecasts"]
    explanation = explain(client, horizon=5, **WHOLE)
    movements = []
    for start, end, _ in explanation:
        values = [None if start <= place < end else value for place, value in enumerate(RAIL)]
        [rest] = forecast(client, horizon=5, **WHOLE | {"values": values})["forecasts"]
        movements.append(np.abs(np.subtract(rest["median"], whole["median"])).mean())
    assert [weight for *_, weight in explanation] == pytest.approx(movements / np.sum(movements), abs=1e-4)
    assert max(weight for *_, weight in explanation) > 0.1


def test_ranges_count_from_the_first_value_sent(client: TestClient) -> None:
    explanation = explain(client, **WHOLE)
    assert [segment[:2] for segment in explanation] == [(start, start + 7) for start in range(130 - 112, 130, 7)]
    assert sum(weight for *_, weight in explanation) == pytest.approx(1, abs=1e-4)


def test_explained_forecast_is_the_same_otherwise(client: TestClient) -> None:
    for horizon in (1, 14, 33):
        [plain] = forecast(client, horizon=horizon, **WHOLE)["forecasts"]
        [explained] = forecast(client, horizon=horizon, explain=True, **WHOLE)["forecasts"]
        assert "explanation" not in plain
        assert explained["median"] == pytest.approx(plain["median"], rel=1e-4)
        assert explained["warnings"] == plain["warnings"]


def test_beyond_its_horizon_the_models_own_steps_are_explained(client: TestClient) -> None:
    own, iterated = explain(client, horizon=14, **WHOLE), explain(client, horizon=30, **WHOLE)
    assert [segment[:2] for segment in iterated] == [segment[:2] for segment in own]
    assert [weight for *_, weight in iterated] == pytest.approx([weight for *_, weight in own], abs=1e-4)


@pytest.mark.parametrize("freq", [*get_args(Freq), None])
def test_segments_follow_the_season_of_freq(client: TestClient, freq: Freq | None) -> None:
    values = [float(place % 11) for place in range(190)]
    explanation = explain(client, model="any", values=values, freq=freq)
    season = SEASONS[freq] if freq else 1
    assert [segment[:2] for segment in explanation] == [tuple(segment) for segment in split(190, 200, season)]
    assert sum(weight for *_, weight in explanation) == pytest.approx(1, abs=1e-4)


def test_segment_unlike_the_others_moves_a_mean_most(client: TestClient) -> None:
    values = [1.0, 1, 1, 1, 9, 1, 1, 1]  # mean 2; without the 9 it is 1, without a 1 it is 15/7
    weights = [weight for *_, weight in explain(client, model="any", values=values)]
    assert weights == pytest.approx([1 / 14] * 4 + [1 / 2] + [1 / 14] * 3, abs=1e-5)
    assert [weight for *_, weight in explain(client, model="any", values=[5.0] * 8)] == [0] * 8  # nothing moves
    gap = [*RAIL[:7], *[None] * 10, *RAIL[17:28]]
    assert [segment[:2] for segment in explain(client, values=gap)] == [(0, 7), (14, 21), (21, 28)]


@pytest.mark.parametrize("values", [[3.0], [None] * 30 + [3.0], [None] * 21 + [3.0, 4.0] + [None] * 5])
def test_only_segment_that_is_known_has_all_the_weight(client: TestClient, values: list[float | None]) -> None:
    assert [weight for *_, weight in explain(client, values=values)] == [1.0]


def test_each_of_many_series_has_its_own_explanation(client: TestClient) -> None:
    series = [{"values": RAIL[: 20 + 3 * place], "start": "2019-01-01"} for place in range(30)]
    series.insert(3, {"values": [1.0], "start": "2019-01-01"})
    for one, answer in zip(series, forecast(client, series=series, explain=True)["forecasts"], strict=True):
        alone = explain(client, **one)
        assert [(each["start"], each["end"]) for each in answer["explanation"]] == [each[:2] for each in alone]
        weights = [weight for *_, weight in alone]
        assert [each["weight"] for each in answer["explanation"]] == pytest.approx(weights, abs=1e-3)


def test_as_many_segments_as_allowed_are_explained(tiny_store: Path) -> None:
    with running_app(Settings(store=tiny_store, max_explained_stretches=8)) as client:
        series = [{"values": RAIL[:28]}, {"values": RAIL[:25]}]
        assert len(forecast(client, series=series, explain=True)["forecasts"]) == 2
        body = {"model": "ridership", "series": [*series, {"values": RAIL[:2]}]}
        response = client.post("/forecast", json=body | {"explain": True})
        assert response.status_code == 422
        [place] = response.json()["errors"]
        assert place["loc"] == ["explain"]
        assert place["msg"].startswith("At most 8 segments")
        assert client.post("/forecast", json=body).status_code == 200


def test_segment_without_which_there_is_no_forecast_is_refused() -> None:
    histories = np.ones((2, 2), dtype=np.float32)
    hidden = [
        HiddenSegments([Segment(0, 1)], histories[:0], 1.0),
        HiddenSegments([Segment(0, 1), Segment(1, 2)], histories, 1.0),
    ]
    quantiles = np.array([[[0.0, 1.0, 2.0]]] * 2)
    without = np.array([[[0.0, middle, 2.0]] for middle in (1.0, np.inf)])
    with pytest.raises(Invalid) as refusal:
        decode_weights(hidden, quantiles, without)
    assert [error.loc for error in refusal.value.errors] == [("inputs", 1, "values")]
