"""`POST /forecast`, answered by a tiny forecaster trained here."""

import datetime as dt
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.forecast_schema import ForecastResponse
from tests.tiny import made_up_boardings

HISTORY = made_up_boardings(dt.date(2019, 1, 1), 120, 5)
RAIL = HISTORY.target.tolist()
BUS = HISTORY.past["bus"].tolist()


def forecast(client: TestClient, **body: Any) -> dict[str, Any]:
    response = client.post("/forecast", json={"model": "ridership"} | body)
    assert response.status_code == 200, response.text
    ForecastResponse.model_validate(response.json())
    answer: dict[str, Any] = response.json()
    return answer


def test_next_step_is_the_default(client: TestClient) -> None:
    answer = forecast(client, values=RAIL)
    assert (answer["model"], answer["version"], answer["horizon"]) == ("ridership-wavenet", 1, 1)
    [one] = answer["forecasts"]
    assert len(one["median"]) == 1
    assert set(one["intervals"]) == {"80", "95"}
    assert "timestamps" not in one


def test_values_are_short_for_one_series(client: TestClient) -> None:
    short = forecast(client, values=RAIL, id="a", start="2019-01-01", freq="D", past_covariates={"bus": BUS})
    series = {"values": RAIL, "id": "a", "start": "2019-01-01", "freq": "D", "past_covariates": {"bus": BUS}}
    assert short == forecast(client, series=[series])


def test_forecasts_are_of_the_series_own_size(client: TestClient) -> None:
    median = forecast(client, values=RAIL, start="2019-01-01", horizon=14)["forecasts"][0]["median"]
    assert 0.3 * min(RAIL) < min(median) < max(median) < 2 * max(RAIL)


def test_timestamps_follow_the_last_value(client: TestClient) -> None:
    one = forecast(client, values=RAIL[:3], start="2019-01-30", freq="D", horizon=3)["forecasts"][0]
    assert one["timestamps"] == ["2019-02-02", "2019-02-03", "2019-02-04"]
    one = forecast(client, values=RAIL[:3], start="2019-01-30T06:00+01:00", horizon=1)["forecasts"][0]
    assert one["timestamps"] == ["2019-02-02T06:00:00+01:00"]


def test_intervals_contain_the_median_and_narrower_ones(client: TestClient) -> None:
    levels = [95, 10, 50, 80, 33.3, 0.5]
    one = forecast(client, values=RAIL, horizon=14, levels=levels)["forecasts"][0]
    assert list(one["intervals"]) == ["95", "10", "50", "80", "33.3", "0.5"]
    nested = [one["intervals"][f"{level:g}"] for level in sorted(levels)]
    lower = np.array([one["median"], *(interval["lower"] for interval in nested)])
    upper = np.array([one["median"], *(interval["upper"] for interval in nested)])
    assert (np.diff(lower, axis=0) <= 0).all()
    assert (np.diff(upper, axis=0) >= 0).all()
    assert (upper[-1] > lower[-1]).all()


def test_levels_close_to_each_other_are_told_apart(client: TestClient) -> None:
    one = forecast(client, values=RAIL, levels=[80, 80.00001, 94.99999])["forecasts"][0]
    assert list(one["intervals"]) == ["80", "80.00001", "94.99999"]


def test_no_levels_give_the_median_alone(client: TestClient) -> None:
    assert forecast(client, values=RAIL, levels=[])["forecasts"][0]["intervals"] == {}


def test_day_types_are_derived_from_dates(client: TestClient) -> None:
    start = dt.date(2019, 1, 1)
    codes = made_up_boardings(start, len(RAIL) + 14, 0).future["day_type"]
    derived = forecast(client, values=RAIL, start="2019-01-01", horizon=14)["forecasts"][0]
    sent = forecast(client, values=RAIL, future_covariates={"day_type": codes}, horizon=14)["forecasts"][0]
    assert derived["median"] == sent["median"]
    assert derived["warnings"] == sent["warnings"] == ["bus was not sent and is treated as missing"]


def test_day_types_sent_win_over_dates(client: TestClient) -> None:
    holiday = {"day_type": ["W"] * len(RAIL) + ["U"]}
    derived = forecast(client, values=RAIL, start="2019-01-01")["forecasts"][0]["median"]
    assert (
        forecast(client, values=RAIL, start="2019-01-01", future_covariates=holiday)["forecasts"][0]["median"]
        != derived
    )


def test_what_is_missing_is_said(client: TestClient) -> None:
    whole = {"values": RAIL, "start": "2019-01-01", "past_covariates": {"bus": BUS}}
    bare = {"values": RAIL[:5]}
    answers = forecast(client, series=[whole, bare])["forecasts"]
    assert answers[0]["warnings"] == []
    assert [warning.split(";")[0] for warning in answers[1]["warnings"]] == [
        "only 5 of the newest 112 values are known",
        "bus was not sent and is treated as missing",
        "day_type was not sent and is treated as missing",
    ]


def test_missing_values_are_read_as_missing(client: TestClient) -> None:
    gaps = [None if day % 9 == 4 else value for day, value in enumerate(RAIL)]
    zeros = [0.0 if day % 9 == 4 else value for day, value in enumerate(RAIL)]
    body = {"start": "2019-01-01", "horizon": 7}
    plain = np.array(forecast(client, values=RAIL, **body)["forecasts"][0]["median"])
    with_gaps = np.array(forecast(client, values=gaps, **body)["forecasts"][0]["median"])
    with_zeros = np.array(forecast(client, values=zeros, **body)["forecasts"][0]["median"])
    assert np.abs(with_gaps - plain).mean() < np.abs(with_zeros - plain).mean()


def test_shorter_horizon_is_the_beginning_of_a_longer_one(client: TestClient) -> None:
    body = {"values": RAIL, "start": "2019-01-01", "past_covariates": {"bus": BUS}}
    short = forecast(client, horizon=5, **body)["forecasts"][0]
    long = forecast(client, horizon=14, **body)["forecasts"][0]
    assert short["median"] == pytest.approx(long["median"][:5], rel=1e-5)


def test_only_the_context_is_read(client: TestClient) -> None:
    older = forecast(client, values=[1e6] * 500 + RAIL[-112:])["forecasts"][0]
    assert older["median"] == forecast(client, values=RAIL[-112:])["forecasts"][0]["median"]


def test_neighbours_do_not_matter(client: TestClient) -> None:
    series = [{"id": str(n), "values": RAIL[n : n + 30 + n], "start": "2019-01-01"} for n in range(40)]
    together = forecast(client, series=series, horizon=14)["forecasts"]
    assert [one["id"] for one in together] == [one["id"] for one in series]
    for place in (0, 7, 39):
        alone = forecast(client, series=[series[place]], horizon=14)["forecasts"][0]
        assert alone["median"] == pytest.approx(together[place]["median"], rel=1e-5)


def test_extreme_values_are_answered_or_refused(client: TestClient) -> None:
    for value in (0.0, -5.0, 1e-30, 1e30, -1e38, 3.3e38):
        response = client.post("/forecast", json={"model": "ridership", "values": [value] * 40, "horizon": 14})
        assert response.status_code in {200, 422}, response.text
        if response.status_code == 200:
            one = response.json()["forecasts"][0]
            for interval in one["intervals"].values():
                assert (np.diff([interval["lower"], one["median"], interval["upper"]], axis=0) >= 0).all()
        else:
            assert "too large" in response.json()["errors"][0]["msg"]
