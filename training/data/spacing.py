"""Steps of a spacing: which point of it a time is, which times are none, and which spacing a set of series keeps."""

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.forecast.series import FREQUENCIES, Freq

DAY_US = 24 * 3600 * 1_000_000
FIXED_US = {"15min": DAY_US // 96, "30min": DAY_US // 48, "h": DAY_US // 24, "D": DAY_US, "W": 7 * DAY_US}
MONTHS = {"MS": 1, "QS": 3, "YS": 12}
NONE = -1
"""Phase of a time that can't be a point of a spacing."""


def steps(times: NDArray[np.datetime64], freq: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each time the number of its step, and its phase: what all times of one series have in common.

    Times of one phase are as many steps apart as their numbers say. The phase is `NONE` for a weekend in freq B and
    for any day but the first of a month in MS, QS and YS.
    """
    if freq in FIXED_US:
        return np.divmod(times.astype("datetime64[us]").astype(np.int64), FIXED_US[freq])
    days = times.astype("datetime64[D]")
    clock = (times - days).astype("timedelta64[us]").astype(np.int64)
    if freq == "B":
        weeks, weekday = np.divmod(days.astype(np.int64) + 3, 7)  # day 0, 1970-01-01, was a Thursday
        return weeks * 5 + weekday, np.where(weekday < 5, clock, NONE)
    months = days.astype("datetime64[M]")
    number, month = np.divmod(months.astype(np.int64), MONTHS[freq])
    return number, np.where(days == months, month * DAY_US + clock, NONE)


def off_grid(times: NDArray[np.datetime64], series: NDArray[np.int64], freq: str) -> NDArray[np.bool_]:
    """Times that aren't points of `freq`, or not of the phase that most times of their series have.

    Args:
        times: in any order.
        series: code of the series of each time, from 0 without a gap.
        freq: one of `FREQUENCIES`.
    """
    phases = steps(times, freq)[1]
    possible = phases != NONE
    pairs, counts = np.unique(np.stack([series, phases])[:, possible], axis=1, return_counts=True)
    commonest = np.full(series.max() + 1, NONE)
    for pair in np.argsort(counts, kind="stable"):
        commonest[pairs[0, pair]] = pairs[1, pair]
    off: NDArray[np.bool_] = ~possible | (phases != commonest[series])
    return off


def infer(times: NDArray[np.datetime64], series: NDArray[np.int64]) -> Freq | None:
    """The spacing that all series keep, with the fewest steps left out; None where there is none.

    Every time must be a point of it, and in each series more than half of the steps must be followed by the next one.
    Of two that fit alike the first of `FREQUENCIES` is taken: days of a single working week are days.

    Args:
        times: ascending in each series, without duplicates.
        series: code of the series of each time, ascending from 0 without a gap.
    """
    same = series[1:] == series[:-1]
    num_steps = np.bincount(series[1:][same], minlength=series.max() + 1)
    if not same.any():
        return None
    best: Freq | None = None
    fewest = len(times)
    for freq in FREQUENCIES:
        numbers, phases = steps(times, freq)
        if (phases == NONE).any() or (phases[1:] != phases[:-1])[same].any():
            continue
        left_out = same & (np.diff(numbers) != 1)
        in_series = np.bincount(series[1:][left_out], minlength=len(num_steps))
        if (2 * in_series < num_steps)[num_steps > 0].all() and left_out.sum() < fewest:
            best, fewest = freq, int(left_out.sum())  # type: ignore[assignment]  # a key of FREQUENCIES is a Freq
    return best


def nearly(times: NDArray[np.datetime64], series: NDArray[np.int64]) -> Freq | None:
    """The spacing nine in ten rows follow each other by, wherever in a step each stands; None where there is none.

    For messages: the other rows are likely mistaken. Arguments as of `infer`.
    """
    same = series[1:] == series[:-1]
    for freq in FREQUENCIES:
        next_steps = np.diff(steps(times, freq)[0])[same] == 1
        if len(next_steps) and next_steps.mean() >= 0.9:
            return freq  # type: ignore[return-value]  # a key of FREQUENCIES is a Freq
    return None
