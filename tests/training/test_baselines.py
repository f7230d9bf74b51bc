"""Baselines: what a child could forecast, and which statistical models stand beside it."""

import datetime as dt

import numpy as np
import pytest

from tests.training.tiny_recipes import described, tiny_ridership
from training.data.covariate_series import CovariateSeries
from training.data.series_set import Series, SeriesSet
from training.tasks.forecast.daily_baselines import ridge_on_lags
from training.tasks.forecast.many_figures import MEAN, mase_figures, seasonal_naive
from training.tasks.forecast.origins import Origins
from training.tasks.forecast.statistical import sampled, statistical_forecasts


def test_naive_repeats_the_last_value_and_seasonal_naive_the_last_season() -> None:
    forecasts = statistical_forecasts(season=3, length=10)
    history = np.array([9.0, 9, 9, 1, 2, 3])
    np.testing.assert_array_equal(forecasts["naive"](history, 4), [3, 3, 3, 3])
    np.testing.assert_array_equal(forecasts["seasonal_naive"](history, 5), [1, 2, 3, 1, 2])
    without_season = statistical_forecasts(season=1, length=10)["seasonal_naive"]
    np.testing.assert_array_equal(without_season(history, 2), [3, 3])


def test_series_that_never_change_have_no_scaled_error() -> None:
    constant, rising = [Series("c", np.full(30, 7.0))], [Series("r", np.arange(30.0))]
    sets = [
        SeriesSet("flat", constant, "D", 7, 5, described("flat")),
        SeriesSet("slope", rising, "D", 7, 5, described("slope")),
    ]
    forecasts = [(whole, seasonal_naive(whole, 7)) for whole in sets]
    figures = mase_figures(forecasts, 2)
    assert figures == {"mase_slope": 1.0, MEAN: 1.0}
    assert mase_figures(forecasts[:1], 1) == {}


@pytest.mark.parametrize(
    ("season", "length", "fitted"),
    [(1, 100, False), (7, 730, True), (12, 1000, True), (12, 1001, False), (24, 100, False)],
)
def test_seasonal_arima_is_left_out_where_it_takes_too_long(season: int, length: int, fitted: bool) -> None:
    forecasts = statistical_forecasts(season, length)
    assert ("seasonal_arima" in forecasts) == fitted
    assert {"naive", "seasonal_naive", "auto_ets", "auto_theta"} <= forecasts.keys()


@pytest.mark.parametrize("season", [1, 4, 52])
def test_every_statistical_forecast_follows_a_rising_line(season: int) -> None:
    history = 100 + np.arange(120.0) + np.random.default_rng(0).normal(0, 0.1, 120)
    for name, forecast in statistical_forecasts(season, len(history)).items():
        ahead = forecast(history, 3)
        assert ahead.shape == (3,)
        if name.startswith("auto"):
            assert ahead[2] == pytest.approx(222, abs=3)


def test_seasonal_naive_stands_in_for_a_fit_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    history = 100 + np.arange(120.0) + np.random.default_rng(0).normal(0, 0.1, 120)
    forecast = statistical_forecasts(season=4, length=120)["seasonal_arima"](history, 6)
    np.testing.assert_array_equal(forecast, [*history[-4:], *history[-4:-2]])
    assert "seasonal_arima can't be fitted to a history of 120 values" in caplog.text


def test_sample_of_series_is_the_same_each_time_and_in_order() -> None:
    series = [Series(str(number), np.zeros(3)) for number in range(500)]
    drawn = [int(one.id) for one in sampled(series, 20)]
    assert len(set(drawn)) == 20
    assert drawn == sorted(drawn) == [int(one.id) for one in sampled(series, 20)]
    assert sampled(series[:20], 20) == series[:20]


FIRST = dt.date(2018, 1, 1)
TARGETS = (FIRST + dt.timedelta(days=400), FIRST + dt.timedelta(days=430))


def origins_of(target: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Origins:
    series = CovariateSeries(FIRST, target, {"bus": target}, {"day_type": ["W"] * len(target)})
    return Origins.of(series, tiny_ridership().spec(), *TARGETS)


def test_ridge_regression_learns_a_week_and_reads_nothing_of_the_future() -> None:
    week = np.tile([10.0, 11, 12, 13, 14, 6, 4], 64)
    target = week + np.random.default_rng(0).normal(0, 0.05, len(week))
    forecast = ridge_on_lags(target, origins_of(target))
    assert np.abs(forecast[0] - week[400:414]).max() < 0.5
    other = target.copy()
    other[410:] *= 7
    changed = ridge_on_lags(other, origins_of(other))
    np.testing.assert_array_equal(changed[:11], forecast[:11])
    assert not np.allclose(changed[11], forecast[11])
