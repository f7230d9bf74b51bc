"""A person's own series: a long table, one row for each time and series, checked and made regular.

Rows -> times and numbers -> in order of series and time -> one spacing for all -> no step twice, off the spacing or
left out -> series long enough to learn from and to measure on.
"""

import calendar
import dataclasses
import datetime as dt
import itertools
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bundle.tasks.forecast.series import FREQUENCIES, SEASONS, Freq, timestamps
from training.data.series_set import Series, SeriesSet
from training.data.source import described_own_file
from training.data.spacing import MONTHS, infer, nearly, off_grid, steps
from training.data.table_file import NUM_NAMED, Table, TableProblem, read_table
from training.data.written_times import read_times

MISSING = ("", "na", "nan", "null")
"""Cells that say a value is missing, in any case."""
LARGEST = float(np.finfo(np.float32).max)
"""Of the numbers a model reads."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.A | re.I)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.I)

logger = logging.getLogger(__name__)


MIN_HISTORY = 8
"""Values to learn from, at least."""


def values_needed(horizon: int) -> int:
    """Fewest values of a series: the horizon held out, and before it as many to learn from."""
    return horizon + max(horizon, MIN_HISTORY)


def load(
    path: Path,
    time: str,
    value: str,
    series: str | None = None,
    *,
    horizon: int,
    freq: Freq | None = None,
    fill_gaps: bool = False,
) -> SeriesSet:
    """Read the series of a file, in order of their ids; rows may stand in any order.

    Args:
        path: CSV or Parquet.
        time: column of times; where all are last days of months, their first days stand for them.
        value: column of numbers; empty, NA, NaN and null mean missing.
        series: column that tells the series apart; without it there is one, called as the column of values.
        horizon: steps ahead that are to be forecast.
        freq: spacing; without it, the one that all series keep.
        fill_gaps: take a step that has no row for a missing value, instead of refusing the file.

    Missing values before a series' first and after its last one are left out. Raises `TableProblem`, and `ValueError`
    for a freq or horizon that can't be.
    """
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}; it must be 1 step or more")
    if freq is not None and freq not in FREQUENCIES:
        raise ValueError(f"freq {freq!r} is not known; it is one of {_frequencies()}")
    table = read_table(path, [time, value] if series is None else [time, value, series])
    rows = _sorted(table, time, value, series)
    _check_duplicates(rows)
    rows = _from_first_days(rows, freq)
    if freq is None:
        freq = _inferred(rows)
    else:
        _check_grid(rows, freq)
    _check_gaps(rows, freq, fill_gaps=fill_gaps)
    every = _trimmed(table, _regular(rows, freq), freq)
    _check_lengths(table, every, horizon)
    num_values = sum(_num_values(one) for one in every)
    logger.info("%s: %s series, %s values, freq %s", table.file, f"{len(every):,}", f"{num_values:,}", freq)
    described = described_own_file(table.file, table.sha256, {"series": len(every), "values": num_values})
    return SeriesSet(f"{table.file} {freq}", every, freq, SEASONS[freq], horizon, described)


@dataclass(frozen=True)
class _Rows:
    """Rows in order of series and time, in step; `ids[series[i]]` is the series of the i-th."""

    table: Table
    time_column: str
    series_column: str | None
    ids: list[str]
    series: NDArray[np.int64]
    times: NDArray[np.datetime64]
    offset: dt.timezone | None
    values: NDArray[np.float64]
    in_file: NDArray[np.int64]
    """Row of the table."""

    def written(self, index: int) -> str:
        """The time of a row as the file has it."""
        return self.table.columns[self.time_column][int(self.in_file[index])].strip()

    def called(self, index: int) -> str:
        """The series of a row, for messages."""
        return "the series" if self.series_column is None else f"series {self.ids[self.series[index]][:40]!r}"

    def problem(self, indices: NDArray[np.int64], what: str) -> TableProblem:
        """The problem that some rows have with their time; the first is named first."""
        return self.table.problem(self.time_column, self.in_file[indices], what)


def _sorted(table: Table, time: str, value: str, series: str | None) -> _Rows:
    times = read_times(table, time)
    values = _numbers(table, value)
    ids = [value] * len(table) if series is None else [text.strip() for text in table.columns[series]]
    if series is not None and (unnamed := [row for row, one in enumerate(ids) if not one]):
        raise table.problem(series, unnamed, "the name of the series is empty; write it, or remove the row")
    codes, names = pd.factorize(np.array(ids, dtype=object), sort=True)
    order = np.lexsort((times.local, codes))
    return _Rows(table, time, series, list(names), codes[order], times.local[order], times.offset, values[order], order)


def _numbers(table: Table, column: str) -> NDArray[np.float64]:
    """Values as numbers, NaN where missing."""
    values, odd, infinite = np.full(len(table), np.nan), [], []
    for row, cell in enumerate(table.columns[column]):
        text = cell.strip()
        if _NUMBER.fullmatch(text):
            values[row] = float(text)
        elif _INFINITE.fullmatch(text):
            infinite.append(row)
        elif text.casefold() not in MISSING:
            odd.append(row)
    if odd:
        shown = table.columns[column][odd[0]].strip()[:40]
        raise table.problem(
            column,
            odd,
            f"{shown!r} is not a number; write numbers such as 1234.5, with a point (not a comma) before the decimals, "
            "nothing between thousands and no unit, and leave the cell empty where the value is missing",
        )
    infinite += np.flatnonzero(np.abs(values) > LARGEST).tolist()
    if infinite:
        raise table.problem(
            column, sorted(infinite), "the value is infinite or beyond 3.4e38; correct it, or leave the cell empty"
        )
    return values


# --- times -----------------------------------------------------------------------------------------------------------


def _inside(rows: _Rows) -> NDArray[np.bool_]:
    """Of each row but the first whether it follows another of its series."""
    inside: NDArray[np.bool_] = rows.series[1:] == rows.series[:-1]
    return inside


def _ranges(rows: _Rows) -> Iterator[tuple[int, int]]:
    """Begin and end of each series."""
    begins = np.flatnonzero(np.append(True, ~_inside(rows)))
    return itertools.pairwise([*begins.tolist(), len(rows.times)])


def _check_duplicates(rows: _Rows) -> None:
    doubled = np.flatnonzero(_inside(rows) & (rows.times[1:] == rows.times[:-1]))
    if not len(doubled):
        return
    first = doubled[rows.in_file[doubled + 1].argmin()]
    fault = f"{rows.called(first)} has two rows of {rows.written(first)!r}"
    if len(doubled) > 1:
        fault += f" ({len(doubled):,} times are doubled in the whole file)"
    if np.array_equal(rows.values[doubled], rows.values[doubled + 1], equal_nan=True):
        advice = "both rows hold the same value: remove one of them, or, if both count, add them up"
    else:
        advice = "keep one of the rows, or add them up"
    if rows.series_column is None:
        advice += "; if the file holds several series, name the column that tells them apart (--series)"
    raise rows.problem(np.array([first, first + 1]), f"{fault}; {advice}{_clock_change(rows)}")


def _clock_change(rows: _Rows) -> str:
    """Advice where an hour may be doubled or left out because clocks were changed."""
    by_the_clock = rows.offset is None and bool((rows.times != rows.times.astype("datetime64[D]")).any())
    return "; if clocks were changed there, write the times in UTC" if by_the_clock else ""


def _from_first_days(rows: _Rows, freq: Freq | None) -> _Rows:
    """The rows dated by the first day of their month where all stand on the last, as files often have it."""
    if freq is not None and freq not in MONTHS:
        return rows
    months = rows.times.astype("datetime64[M]")
    if not _are_last_days(rows.times).all() or (freq is None and (months == months[0]).all()):
        return rows
    logger.info(
        "%s, column %r: all times are last days of months; the first days stand for them",
        rows.table.file,
        rows.time_column,
    )
    clock = rows.times - rows.times.astype("datetime64[D]")
    return dataclasses.replace(rows, times=months.astype("datetime64[us]") + clock)


def _are_last_days(times: NDArray[np.datetime64]) -> NDArray[np.bool_]:
    """Times on the last day of their month."""
    days = times.astype("datetime64[D]")
    last: NDArray[np.bool_] = (days + 1).astype("datetime64[M]") != days.astype("datetime64[M]")
    return last


def _inferred(rows: _Rows) -> Freq:
    """The spacing all series keep; refused where there is none."""
    if not _inside(rows).any():
        raise TableProblem(
            f"{rows.table.file}: no series has more than one row; "
            + ("add rows" if rows.series_column is None else f"is {rows.series_column!r} what tells the series apart?")
        )
    freq = infer(rows.times, rows.series)
    if freq is not None:
        logger.info("%s, column %r: freq %s, a row each %s", rows.table.file, rows.time_column, freq, FREQUENCIES[freq])
        return freq
    if problem := _different_spacings(rows):
        raise problem
    if freq := nearly(rows.times, rows.series):
        _check_grid(rows, freq)
    raise _no_spacing(rows)


def _different_spacings(rows: _Rows) -> TableProblem | None:
    """The problem that two series have each a spacing of their own, if they do."""
    kept: dict[Freq, int] = {}
    for begin, end in _ranges(rows):
        if one := infer(rows.times[begin:end], np.zeros(end - begin, dtype=np.int64)):
            kept.setdefault(one, begin)
        if len(kept) == 2:
            (freq, first), (other, second) = kept.items()
            return rows.problem(
                np.array([first, second]),
                f"{rows.called(first)} has freq {freq} and {rows.called(second)} freq {other}; all series of a file "
                "must have the same: put them in different files",
            )
    return None


def _no_spacing(rows: _Rows) -> TableProblem:
    """The problem that the times keep none of the spacings, with the two that are commonest."""
    inside = np.flatnonzero(_inside(rows))
    spans, where, counts = np.unique(rows.times[inside + 1] - rows.times[inside], return_index=True, return_counts=True)
    fault = []
    for one in np.argsort(-counts, kind="stable")[:2]:
        before = inside[where[one]]
        example = f"{rows.written(before)!r} to {rows.written(before + 1)!r}"
        fault.append(f"{_duration(spans[one].item())} ({counts[one]:,} times, as from {example})")
    return TableProblem(
        f"{rows.table.file}, column {rows.time_column!r}: the rows keep none of the spacings that are known; they are "
        f"most often apart by {' or '.join(fault)}. Bring them to one of {_frequencies()}, say by adding up; or name "
        "the spacing (--freq) to learn which rows don't fit"
    )


def _check_grid(rows: _Rows, freq: Freq) -> None:
    """Every time is a point of the freq."""
    off = off_grid(rows.times, rows.series, freq)
    if not off.any():
        return
    last_days = _are_last_days(rows.times)
    ends_of_months = freq in MONTHS and 2 * last_days.sum() > len(off)
    indices = np.flatnonzero(~last_days if ends_of_months else off)
    indices = indices[rows.in_file[indices].argsort()]
    first = indices[0]
    time = rows.times[first].item()
    fault, advice = f"{rows.written(first)!r} is ", "correct the time, or remove the row"
    if ends_of_months:
        fault += "not the last day of a month, as most times are"
        advice = "write the last day in all rows, or the first"
    elif freq in MONTHS and time.day != 1:
        fault += f"not the first day of a month, as freq {freq} needs"
        advice = "write the first day in all rows, or the last"
    elif freq == "B" and time.weekday() >= 5:
        fault += f"a {calendar.day_name[time.weekday()]}, and freq B has Monday to Friday only"
    else:
        other = rows.written(np.flatnonzero(~off & (rows.series == rows.series[first]))[0])
        fault += f"no whole number of steps of freq {freq} ({FREQUENCIES[freq]}) from other times, such as {other!r}"
    raise rows.problem(indices, f"{fault}; {_better_freq(rows) or advice}")


def _better_freq(rows: _Rows) -> str:
    """Advice where the rows keep a spacing."""
    kept = infer(rows.times, rows.series)
    return f"the rows look like freq {kept} ({FREQUENCIES[kept]}): choose that" if kept else ""


def _check_gaps(rows: _Rows, freq: Freq, *, fill_gaps: bool) -> None:
    """No step is left out; or, with `fill_gaps`, no more than there are rows."""
    left_out = np.where(_inside(rows), np.diff(steps(rows.times, freq)[0]) - 1, 0)
    gaps = np.flatnonzero(left_out)
    if not len(gaps):
        return
    num_left_out = np.bincount(rows.series[1:], weights=left_out, minlength=len(rows.ids))
    sparse = num_left_out > np.bincount(rows.series)
    if sparse.any():
        gap = int(np.where(sparse[rows.series[1:]], left_out, 0).argmax())
        advice = "more steps are left out than there are rows; correct the time if it is mistyped, or remove the series"
    elif fill_gaps:
        logger.info("%s: %s steps without a row are missing values", rows.table.file, f"{left_out.sum():,}")
        return
    else:
        gap = int(gaps[0])
        advice = (
            "add the rows, with 0 where nothing happened and an empty value where it isn't known, or let all steps "
            f"without a row be missing values (--fill-gaps){_clock_change(rows)}"
        )
    fault = f"{rows.called(gap)} has no row for {left_out[gap]:,} {'step' if left_out[gap] == 1 else 'steps'} of freq "
    fault += f"{freq} between {rows.written(gap)!r} and {rows.written(gap + 1)!r}"
    if len(gaps) > 1:
        fault += f" ({len(gaps):,} gaps, {left_out.sum():,} steps in the whole file)"
    better = "" if infer(rows.times, rows.series) == freq else _better_freq(rows)
    raise rows.problem(np.array([gap, gap + 1]), f"{fault}; {better or advice}")


# --- series ----------------------------------------------------------------------------------------------------------


def _regular(rows: _Rows, freq: Freq) -> list[Series]:
    """One value for each step of each series, NaN for those without a row."""
    numbers = steps(rows.times, freq)[0]
    every = []
    for begin, end in _ranges(rows):
        values = np.full(numbers[end - 1] - numbers[begin] + 1, np.nan)
        values[numbers[begin:end] - numbers[begin]] = rows.values[begin:end]
        start = rows.times[begin].item().replace(tzinfo=rows.offset)
        every.append(Series(rows.ids[rows.series[begin]], values, start))
    return every


def _trimmed(table: Table, every: list[Series], freq: Freq) -> list[Series]:
    """The series without the missing values at their ends, of which nothing can be learned or measured."""
    trimmed = []
    for one in every:
        present = np.flatnonzero(np.isfinite(one.values))
        if not len(present):
            raise TableProblem(f"{table.file}: series {one.id[:40]!r} has no value at all; remove its rows")
        begin, end = int(present[0]), int(present[-1]) + 1
        assert one.start is not None
        trimmed.append(Series(one.id, one.values[begin:end], timestamps(one.start, freq, begin, 1)[0]))
    num_left_out = sum(len(one.values) for one in every) - sum(len(one.values) for one in trimmed)
    if num_left_out:
        logger.info("%s: %s missing values at the ends of series are left out", table.file, f"{num_left_out:,}")
    return trimmed


def _check_lengths(table: Table, every: list[Series], horizon: int) -> None:
    needed = values_needed(horizon)
    short = [one for one in every if _num_values(one) < needed]
    if not short:
        return
    if len(every) == 1:
        fault = f"there are {_num_values(every[0]):,} values, not counting missing ones"
    else:
        fault = f"{len(short):,} of {len(every):,} series have too few values, not counting missing ones: "
        fault += ", ".join(f"{one.id[:40]!r} ({_num_values(one):,})" for one in short[:NUM_NAMED])
        fault += f" and {len(short) - NUM_NAMED:,} more" if len(short) > NUM_NAMED else ""
    raise TableProblem(
        f"{table.file}: {fault}. With a horizon of {horizon:,}, {needed:,} are needed: {horizon:,} to measure on, and "
        f"before them {needed - horizon:,} to learn from. Add values, choose a shorter horizon, or remove a series "
        "that is too short"
    )


def _num_values(one: Series) -> int:
    return int(np.isfinite(one.values).sum())


# --- words -----------------------------------------------------------------------------------------------------------


def _frequencies() -> str:
    return ", ".join(f"{name} ({meaning})" for name, meaning in FREQUENCIES.items())


def _duration(span: dt.timedelta) -> str:
    return str(span).removesuffix(", 0:00:00")


@dataclass(frozen=True)
class OwnSeries:
    """A file as a source of series; the fields are the arguments of `load`."""

    path: Path
    time: str
    value: str
    series: str | None
    freq: Freq | None
    horizon: int
    fill_gaps: bool

    def load(self) -> SeriesSet:
        """See `load`."""
        columns = (self.path, self.time, self.value, self.series)
        return load(*columns, horizon=self.horizon, freq=self.freq, fill_gaps=self.fill_gaps)
