"""Dates and times as people write them: one column, one way of writing, decided from the whole of it."""

import datetime as dt
import logging
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.data.table_file import Table, TableProblem

ADVICE = "write ISO 8601, such as 2019-01-31, 2019-01-31T06:00 or, of a month, 2019-01"

_CLOCK = (
    r"(?:(?:\s*T\s*|\s+)(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r"(?:\s*(?P<half>[AP]M))?(?:\s*(?P<offset>Z|UTC|[+-][01]\d(?::?[0-5]\d)?))?)?"
)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?:([-/.])(?P<month>\d\d?)(?:\2(?P<day>\d\d?))?|(?P<compact>\d{4}))?" + _CLOCK, re.A | re.I
)
_YEAR_LAST = re.compile(r"(?P<one>\d\d?)([-/.])(?P<two>\d\d?)\2(?P<year>\d{4})" + _CLOCK, re.A | re.I)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Times:
    """Times of all rows, in the local time of one UTC offset; None where none is written."""

    local: NDArray[np.datetime64]
    """In microseconds."""
    offset: dt.timezone | None


@dataclass(frozen=True)
class _Written:
    """One text of the column, with the first row that has it."""

    text: str
    row: int
    match: re.Match[str]


def read_times(table: Table, column: str) -> Times:
    """Read a column of dates, or of dates and times.

    The year stands first (ISO 8601; also 2019-01, 2019, 2019/1/31 and 20190131) or last (31/01/2019, 1.31.2019), in all
    rows alike. Where it stands last, a day above 12 in any row tells the order of day and month for all; without one
    the column is refused. So it is where rows differ in their UTC offset.

    Raises `TableProblem`.
    """
    written = np.array([text.strip() for text in table.columns[column]], dtype=object)
    codes, distinct = pd.factorize(written)
    first_rows = np.unique(codes, return_index=True)[1]
    every, unread = [], []
    for text, row in zip(distinct, first_rows.tolist(), strict=True):
        match = _YEAR_FIRST.fullmatch(text) or _YEAR_LAST.fullmatch(text)
        if match:
            every.append(_Written(text, row, match))
        else:
            unread.append(text)
    if unread:
        raise _unread(table, column, written, unread)
    day_first = _order(table, column, every)
    times, impossible = [], []
    for one in every:
        try:
            times.append(_time(one.match, day_first))
        except ValueError:
            impossible.append(one)
    if impossible:
        rows = np.flatnonzero(np.isin(written, [one.text for one in impossible]))
        raise table.problem(column, rows, f"{impossible[0].text!r} is no date or time that exists; correct it")
    local = np.array(times, dtype="datetime64[us]")[codes]
    return Times(local, _offset(table, column, every))


def _unread(table: Table, column: str, written: NDArray[np.object_], unread: list[str]) -> TableProblem:
    if "" in unread:
        return table.problem(column, np.flatnonzero(written == ""), "the time is empty; write it, or remove the row")
    rows = np.flatnonzero(np.isin(written, unread))
    return table.problem(column, rows, f"{unread[0][:40]!r} is no date or time that can be read for certain; {ADVICE}")


def _order(table: Table, column: str, every: list[_Written]) -> bool | None:
    """Whether the day stands before the month; None where the year stands first, and the order is known."""
    year_last = [one for one in every if one.match.re is _YEAR_LAST]
    if not year_last:
        return None
    if len(year_last) < len(every):
        year_first = next(one for one in every if one.match.re is _YEAR_FIRST)
        raise table.problem(
            column,
            sorted([year_first.row, year_last[0].row]),
            f"dates are written in two ways, {year_first.text!r} and {year_last[0].text!r}, as a spreadsheet leaves "
            f"them when it takes some for dates of another country; {ADVICE} in all rows",
        )
    day_first = next((one for one in year_last if int(one.match["one"]) > 12), None)
    month_first = next((one for one in year_last if int(one.match["two"]) > 12), None)
    if day_first and month_first:
        raise table.problem(
            column,
            sorted([day_first.row, month_first.row]),
            f"the day stands first in {day_first.text!r} and the month in {month_first.text!r}; {ADVICE} in all rows",
        )
    proof = day_first or month_first
    if proof is None:
        unclear = next((one for one in year_last if int(one.match["one"]) != int(one.match["two"])), None)
        if unclear is None:
            return True  # 01/01/2018, 01/01/2019: the same in either order
        raise table.problem(
            column,
            [unclear.row],
            f"{unclear.text!r} may have the day or the month first, and no other row tells (none has a day above 12); "
            f"{ADVICE}",
        )
    order = "day" if day_first else "month"
    logger.info(
        "%s, column %r: the %s stands first, as %s shows (%r)",
        table.file,
        column,
        order,
        table.place(proof.row),
        proof.text,
    )
    return order == "day"


def _time(match: re.Match[str], day_first: bool | None) -> dt.datetime:
    """Raises `ValueError` for a date or time that doesn't exist."""
    if day_first is None:
        compact = match["compact"]
        month, day = (compact[:2], compact[2:]) if compact else (match["month"], match["day"])
    else:
        day, month = (match["one"], match["two"]) if day_first else (match["two"], match["one"])
    hour = int(match["hour"] or 0)
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("hours before and after noon go from 1 to 12")
        hour = hour % 12 + (12 if match["half"].upper() == "PM" else 0)
    return dt.datetime(
        int(match["year"]),
        int(month or 1),
        int(day or 1),
        hour,
        int(match["minute"] or 0),
        int(match["second"] or 0),
        int((match["fraction"] or "")[:6].ljust(6, "0")),
    )


def _offset(table: Table, column: str, every: list[_Written]) -> dt.timezone | None:
    """The one UTC offset that all rows have, or None where none has any."""
    first_with: dict[dt.timezone | None, _Written] = {}
    for one in every:
        first_with.setdefault(_offset_of(one.match["offset"]), one)
    if len(first_with) == 1:
        return next(iter(first_with))
    one, other, *_ = first_with.values()
    if None in first_with:
        fault = (
            f"some times have a UTC offset and some have none ({one.text!r}, {other.text!r}); write all with the same"
        )
    else:
        fault = (
            f"times have different UTC offsets ({one.text!r}, {other.text!r}); write all in UTC, or all without offset"
        )
    raise table.problem(column, sorted([one.row, other.row]), fault)


def _offset_of(written: str | None) -> dt.timezone | None:
    if written is None:
        return None
    if written.upper() in {"Z", "UTC"}:
        return dt.UTC
    hours, minutes = int(written[1:3]), int(written[3:].removeprefix(":") or 0)
    offset = dt.timedelta(hours=hours, minutes=minutes)
    return dt.timezone(-offset if written[0] == "-" else offset)
