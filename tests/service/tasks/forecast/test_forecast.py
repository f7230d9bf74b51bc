"""`POST /forecast`, answered by a tiny forecaster trained here."""

import datetime as dt
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.support.answers import forecast
from tests.support.made_up_data import boardings

HISTORY = boardings(dt.date(2019, 1, 1), 120, 5)
RAIL = HISTORY.rail.tolist()
BUS = HISTORY.bus.tolist()
WHOLE = {"values": RAIL, "start": "2019-01-01", "past_covariates": {"bus": BUS}}


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


@pytest.mark.parametrize(
    ("horizon", "levels"), [(14, "95 10 50 80 33.3 0.5"), (100, "10 50 80 95"), (1, "80 80.00001 94.99999"), (1, "")]
)
def test_intervals_contain_the_median_and_narrower_ones(client: TestClient, horizon: int, levels: str) -> None:
    one = forecast(client, horizon=horizon, levels=[float(level) for level in levels.split()], **WHOLE)["forecasts"][0]
    assert list(one["intervals"]) == levels.split()
    nested = [one["intervals"][level] for level in sorted(levels.split(), key=float)]
    lower = np.array([one["median"], *(interval["lower"] for interval in nested)])
    upper = np.array([one["median"], *(interval["upper"] for interval in nested)])
    assert lower.shape == (len(nested) + 1, horizon)
    assert (np.diff(lower, axis=0) <= 0).all()
    assert (np.diff(upper, axis=0) >= 0).all()
    assert not nested or (upper[-1] > lower[-1]).all()


def test_day_types_are_derived_from_dates(client: TestClient) -> None:
    start = dt.date(2019, 1, 1)
    codes = boardings(start, len(RAIL) + 14, 0).day_types
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
    answers = forecast(client, series=[WHOLE, {"values": RAIL[:5]}])["forecasts"]
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


def test_longer_horizon_begins_with_a_shorter_one(client: TestClient) -> None:
    own = forecast(client, horizon=14, **WHOLE)["forecasts"][0]
    short = forecast(client, horizon=5, **WHOLE)["forecasts"][0]
    assert short["median"] == pytest.approx(own["median"][:5], rel=1e-5)
    answer = forecast(client, horizon=33, **WHOLE)
    one = answer["forecasts"][0]
    assert answer["horizon"] == len(one["median"]) == len(one["timestamps"]) == 33
    assert one["timestamps"][-1] == "2019-06-02"
    assert one["median"][:14] == pytest.approx(own["median"], rel=1e-6)
    assert one["intervals"]["80"]["lower"][:14] == pytest.approx(own["intervals"]["80"]["lower"], rel=1e-6)
    assert own["warnings"] == []
    assert one["warnings"] == [
        "the model looks 14 steps ahead: from step 15 on the forecast is iterated over 64 sampled paths",
        "bus is not known beyond values: from step 15 on it is treated as missing there",
    ]


def test_iterated_answer_depends_on_nothing_but_its_series(client: TestClient) -> None:
    series = [{"values": RAIL[n : n + 80], "start": "2019-01-01"} for n in range(6)]
    together = forecast(client, series=series, horizon=30)["forecasts"]
    assert forecast(client, series=series[:1], horizon=30) == forecast(client, series=series[:1], horizon=30)
    for place in (0, 5):
        alone = forecast(client, series=[series[place]], horizon=30)["forecasts"][0]
        assert alone["median"] == pytest.approx(together[place]["median"], rel=1e-4)
        assert alone["warnings"] == together[place]["warnings"]


def test_categories_are_read_over_the_whole_horizon(client: TestClient) -> None:
    codes = boardings(dt.date(2019, 1, 1), len(RAIL) + 30, 0).day_types
    derived = forecast(client, horizon=30, **WHOLE)["forecasts"][0]
    sent = forecast(
        client, values=RAIL, past_covariates={"bus": BUS}, future_covariates={"day_type": codes}, horizon=30
    )["forecasts"][0]
    assert sent["median"] == derived["median"]
    others = forecast(client, horizon=30, future_covariates={"day_type": [*codes[:-1], "A"]}, **WHOLE)["forecasts"][0]
    assert codes[-1] != "A"
    assert others["median"][:28] == derived["median"][:28]
    assert others["median"][-1] != derived["median"][-1]


def test_model_of_any_frequency_reads_the_code_of_freq(client: TestClient) -> None:
    values = [float(n % 7) for n in range(70)]
    for freq, code in (("15min", 1), ("D", 4), ("YS", 9)):
        one = forecast(client, model="any", values=values, freq=freq, horizon=3, levels=[80])["forecasts"][0]
        assert one["median"] == pytest.approx([3.0] * 3)
        assert one["intervals"]["80"]["upper"] == pytest.approx([3.0 + code] * 3)
        assert "timestamps" not in one


def test_unknown_freq_is_said_and_read_as_unknown(client: TestClient) -> None:
    body = {"model": "any", "values": [1.0, 2.0, 3.0], "levels": [95]}
    one = forecast(client, **body)["forecasts"][0]
    assert one["intervals"]["95"]["lower"] == one["intervals"]["95"]["upper"] == one["median"] == [2.0]
    assert one["warnings"] == ["freq was not sent: the season is estimated from the values"]
    one = forecast(client, start="2019-01-01", **body)["forecasts"][0]
    assert "timestamps" not in one
    assert one["warnings"] == [
        "freq was not sent: the season is estimated from the values, and start alone gives no timestamps"
    ]


@pytest.mark.parametrize(
    ("freq", "last"),
    [("15min", "2019-01-01T01:15:00"), ("W", "2019-02-05"), ("MS", "2019-06-01"), ("YS", "2024-01-01")],
)
def test_timestamps_follow_the_freq_of_the_request(client: TestClient, freq: str, last: str) -> None:
    one = forecast(client, model="any", values=[1, 2, 3], start="2019-01-01", freq=freq, horizon=3)["forecasts"][0]
    assert one["timestamps"][-1] == last


def test_short_history_is_measured_by_the_season_of_freq(client: TestClient) -> None:
    def warnings(**body: Any) -> list[str]:
        said: list[str] = forecast(client, model="any", **body)["forecasts"][0]["warnings"]
        return said

    rough = "only {} of the newest 200 values are known; expect a rough forecast"
    assert warnings(values=[1] * 23, freq="MS") == [rough.format(23)]
    assert warnings(values=[1] * 24, freq="MS") == []
    assert warnings(values=[1] * 191, freq="15min") == [rough.format(191)]
    assert warnings(values=[1], freq="YS") == [rough.format(1)]
    assert warnings(values=[1, 2], freq="YS") == []


def test_series_of_several_frequencies_share_a_request(client: TestClient) -> None:
    series = [{"values": [1, 2, 3], "freq": freq} for freq in ("h", "D", "QS")]
    answers = forecast(client, model="any", series=[*series, {"values": [1, 2, 3]}], levels=[80])["forecasts"]
    assert [one["intervals"]["80"]["upper"][0] for one in answers] == pytest.approx([5, 6, 10, 2])


def test_model_of_any_frequency_is_iterated_too(client: TestClient) -> None:
    one = forecast(client, model="any", values=[5.0] * 40, freq="W", start="2019-01-01", horizon=20)["forecasts"][0]
    assert one["median"] == pytest.approx([5.0] * 20, abs=0.5)
    widths = np.subtract(one["intervals"]["80"]["upper"], one["intervals"]["80"]["lower"])
    assert widths[:3] == pytest.approx([12] * 3)
    assert (widths[3:] > 11.9).all()
    assert one["timestamps"][-1] == "2020-02-18"


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


def test_what_is_said_of_one_is_not_said_of_another(client: TestClient) -> None:
    """Series with nothing but values are described once, by how many of them are known."""
    series: list[dict[str, Any]] = [
        {"values": RAIL},
        {"values": RAIL[:5]},
        {"values": RAIL[:5], "start": "2019-01-01"},
        {"values": [None, *RAIL[:5]]},
        {"values": RAIL[:6]},
        {"values": RAIL, "past_covariates": {"bus": BUS}},
        {"values": RAIL[1:]},
    ]
    together = [one["warnings"] for one in forecast(client, series=series)["forecasts"]]
    assert together == [forecast(client, series=[one])["forecasts"][0]["warnings"] for one in series]
    assert len(set(map(tuple, together))) == 5


def test_one_that_is_beyond_the_model_is_named_among_others(client: TestClient) -> None:
    series = [{"values": values} for values in (RAIL, [None, None], RAIL, [1e39, 1.0], RAIL)]
    response = client.post("/forecast", json={"model": "ridership", "series": series})
    assert response.status_code == 422
    places = [error["loc"][-3:] for error in response.json()["errors"]]
    assert places == [["series", 1, "values"], ["series", 3, "values"]]


@pytest.mark.parametrize("horizon", [14, 60])
def test_extreme_values_are_answered_or_refused(client: TestClient, horizon: int) -> None:
    for value in (0.0, -5.0, 1e-30, 1e30, -1e38, 3.3e38):
        response = client.post("/forecast", json={"model": "ridership", "values": [value] * 40, "horizon": horizon})
        assert response.status_code in {200, 422}, response.text
        if response.status_code == 200:
            one = response.json()["forecasts"][0]
            for interval in one["intervals"].values():
                assert (np.diff([interval["lower"], one["median"], interval["upper"]], axis=0) >= 0).all()
        else:
            assert "too large" in response.json()["errors"][0]["msg"]
