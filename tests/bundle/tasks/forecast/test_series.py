"""Dates, contexts, categories and intervals."""

import datetime as dt
import itertools
import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.tasks.forecast.series import (
    FREQUENCIES,
    SEASONS,
    Freq,
    category_codes,
    day_type,
    fixed_codes,
    fixed_context,
    fixed_contexts,
    freq_code,
    interval_levels,
    parse_start,
    quantiles_at,
    timestamps,
)


@pytest.mark.parametrize(
    ("freq", "start", "following"),
    [
        ("15min", "2019-12-31T23:45", "2020-01-01T00:00"),
        ("30min", "2019-12-31T23:30", "2020-01-01T00:00"),
        ("h", "2019-12-31T23:00", "2020-01-01T00:00"),
        ("D", "2020-02-28", "2020-02-29"),
        ("B", "2019-05-31", "2019-06-03"),
        ("W", "2019-12-30", "2020-01-06"),
        ("MS", "2019-12-01", "2020-01-01"),
        ("QS", "2019-11-01", "2020-02-01"),
        ("YS", "2019-07-01", "2020-07-01"),
    ],
)
def test_next_timestamp_of_every_frequency(freq: str, start: str, following: str) -> None:
    assert timestamps(parse_start(start, freq), freq, 1, 1) == [dt.datetime.fromisoformat(following)]


@pytest.mark.parametrize(
    ("freq", "code"),
    [(None, 0), ("15min", 1), ("30min", 2), ("h", 3), ("D", 4), ("B", 5), ("W", 6), ("MS", 7), ("QS", 8), ("YS", 9)],
)
def test_codes_of_frequencies_are_those_published_bundles_read(freq: Freq | None, code: int) -> None:
    assert freq_code(freq) == code


def test_every_frequency_is_named_alike() -> None:
    assert list(FREQUENCIES) == list(get_args(Freq.__value__)) == list(SEASONS)


@given(st.sampled_from(sorted(FREQUENCIES)), st.integers(0, 500), st.integers(1, 50))
def test_timestamps_ascend_and_do_not_depend_on_where_they_are_cut(freq: str, first: int, count: int) -> None:
    start = dt.datetime(2018, 1, 1)
    points = timestamps(start, freq, first, count)
    assert points == timestamps(start, freq, 0, first + count)[first:]
    assert all(before < after for before, after in itertools.pairwise(points))


def test_start_keeps_its_utc_offset() -> None:
    start = parse_start("2019-03-30T12:00+01:00", "D")
    assert timestamps(start, "D", 2, 1)[0].isoformat() == "2019-04-01T12:00:00+01:00"


@pytest.mark.parametrize(
    ("start", "freq", "message"),
    [
        ("31/01/2019", "D", "not an ISO 8601 date"),
        ("June", None, "not an ISO 8601 date"),
        ("2019-02-30", "D", "not an ISO 8601 date"),
        ("2019-06-01", "B", "is a Saturday"),
        ("2019-06-02", "MS", "not the first day of a month"),
    ],
)
def test_start_that_cannot_be_is_refused(start: str, freq: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_start(start, freq)


def test_start_of_unknown_freq_is_any_date() -> None:
    assert parse_start("2019-06-01", None) == dt.datetime(2019, 6, 1)


@pytest.mark.parametrize("freq", sorted(FREQUENCIES))
def test_timestamps_beyond_the_calendar_are_refused(freq: str) -> None:
    with pytest.raises(ValueError, match="year 9999"):
        timestamps(dt.datetime(9999, 12, 1), freq, 0, 10_000)


@pytest.mark.parametrize(
    ("expected", "dates"),
    [
        ("U", "2019-01-01 2019-05-27 2004-05-31 2018-07-04 2019-09-02 2018-11-22 2019-06-02"),  # holidays, a Sunday
        ("U", "2012-01-02 2010-07-05 2016-12-26"),  # the Mondays after holidays on Sundays
        ("U", "2011-01-01 2010-12-25"),  # holidays on Saturdays that are kept there
        ("U", "2009-07-03"),  # the Friday before Independence Day on a Saturday
        ("A", "2009-07-04 2019-06-01"),
        ("W", "2010-12-31 2019-05-20 2018-07-03 2018-11-29 2018-11-23 2019-06-03"),
    ],
)
def test_day_type(expected: str, dates: str) -> None:
    assert {day_type(dt.date.fromisoformat(date)) for date in dates.split()} == {expected}


def test_value_beyond_float32_shows_as_infinite() -> None:
    assert np.isinf(fixed_context([1e300], 1)).all()


def test_unknown_category_is_refused() -> None:
    with pytest.raises(KeyError):
        category_codes(["X"], ["W", "A", "U"])


LEVELS = [0.025, 0.1, 0.5, 0.9, 0.975]


def test_quantiles_of_the_models_own_levels_come_back_exactly() -> None:
    quantiles = np.array([[1, 2, 3, 4, 5], [10, 20, 30, 40, 50]], dtype=np.float32)
    np.testing.assert_array_equal(quantiles_at(quantiles, LEVELS, LEVELS), quantiles)


def test_ends_of_intervals_that_the_model_has_come_back_exactly() -> None:
    quantiles = np.array([[1e-3, 7.7, 1e6, 3e9, 1e17]])  # 1 - 0.8 isn't 0.2 to a computer
    ends = [*interval_levels(95), *interval_levels(80)]
    np.testing.assert_array_equal(quantiles_at(quantiles, LEVELS, ends), quantiles[:, [0, 4, 1, 3]])


def test_level_outside_the_models_is_refused() -> None:
    with pytest.raises(ValueError, match="between"):
        quantiles_at(np.zeros((1, 5)), LEVELS, [0.99])


@given(
    st.lists(st.floats(-1e30, 1e30), min_size=5, max_size=5),
    st.lists(st.floats(0.01, 95, exclude_min=True), min_size=1, max_size=6, unique=True),
)
def test_wider_intervals_contain_narrower_ones(values: list[float], levels: list[float]) -> None:
    quantiles = np.sort(np.array(values, dtype=np.float32))
    bounds = [quantiles_at(quantiles, LEVELS, interval_levels(level)) for level in sorted(levels)]
    median = quantiles_at(quantiles, LEVELS, [0.5])[0]
    for (lower, upper), (wider_lower, wider_upper) in itertools.pairwise(bounds):
        assert wider_lower <= lower <= median <= upper <= wider_upper


VALUES = st.lists(st.none() | st.floats(-1e30, 1e30), min_size=1, max_size=12)


@given(st.lists(VALUES, min_size=1, max_size=5), st.integers(1, 10))
def test_contexts_of_several_series_are_those_of_each(series: list[list[float | None]], context_length: int) -> None:
    together = fixed_contexts(series, context_length)
    for context, values in zip(together, series, strict=True):
        np.testing.assert_array_equal(context, fixed_context(values, context_length))
        known = [math.nan if value is None else np.float32(value) for value in values][-context_length:]
        np.testing.assert_array_equal(context[context_length - len(known) :], known)
        assert np.isnan(context[: context_length - len(known)]).all()


@given(st.lists(st.sampled_from(["W", "A", "U", None]), max_size=12), st.data())
def test_each_code_stands_at_its_own_step(categories: list[str | None], data: st.DataObject) -> None:
    num_past = data.draw(st.integers(0, len(categories)))
    context_length, horizon = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8))
    codes = category_codes(categories, ["W", "A", "U"])
    fitted = fixed_codes(codes, num_past, context_length, horizon)
    for place, code in enumerate(fitted):
        step = num_past - context_length + place  # of the series, whose future begins at num_past
        assert code == (codes[step] if 0 <= step < len(codes) else 0)


@given(st.text(max_size=40), st.sampled_from([None, *FREQUENCIES]))
def test_any_start_is_read_or_refused_in_words(text: str, freq: Freq | None) -> None:
    start, refusal = None, ""
    try:
        start = parse_start(text, freq)
    except ValueError as error:
        refusal = str(error)
    if start is None:
        assert "not an ISO 8601 date" in refusal or "the date is" in refusal
    else:
        assert parse_start(start.isoformat(), freq) == start


@given(st.dates(), st.sampled_from(sorted(FREQUENCIES)))
def test_dates_that_are_taken_continue(date: dt.date, freq: Freq) -> None:
    points, refusal = [], ""
    try:
        points = timestamps(parse_start(date.isoformat(), freq), freq, 1, 3)
    except ValueError as error:
        refusal = str(error)
    if not points:
        assert "year 9999" in refusal or "the date is" in refusal
    else:
        assert dt.datetime.combine(date, dt.time()) < points[0] < points[1] < points[2]
