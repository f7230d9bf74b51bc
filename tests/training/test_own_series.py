"""A person's own series: any order of rows, one spacing; what is off it, doubled, left out or no number is named."""

import calendar
import datetime as dt
import io
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from bundle.tasks.forecast.series import FREQUENCIES, SEASONS, Freq, timestamps
from training.data import own_series
from training.data.series_set import SeriesSet
from training.data.table_file import TableProblem

START = dt.datetime(2018, 1, 1)


def times(freq: str, count: int, form: str = "%Y-%m-%d %H:%M", start: dt.datetime = START) -> list[str]:
    return [f"{time:{form}}" for time in timestamps(start, freq, 0, count)]


def days(count: int, form: str = "%Y-%m-%d") -> list[str]:
    return times("D", count, form)


def month_ends(count: int) -> list[str]:
    firsts = timestamps(START, "MS", 0, count)
    return [f"{first:%Y-%m}-{calendar.monthrange(first.year, first.month)[1]}" for first in firsts]


def table(written: Iterable[str], values: Iterable[object] | None = None) -> str:
    """CSV of one series; its values count from 0."""
    written = list(written)
    values = range(len(written)) if values is None else values
    return "date,units\n" + "".join(f"{time},{value}\n" for time, value in zip(written, values, strict=True))


def shops(**written: list[str]) -> str:
    rows = [f"{time},{shop},{index}\n" for shop, every in written.items() for index, time in enumerate(every)]
    return "date,shop,units\n" + "".join(rows)


def load(folder: Path, content: str, series: str | None = None, horizon: int = 3, **asked: Any) -> SeriesSet:
    path = folder / "sales.csv"
    path.write_text(content)
    return own_series.load(path, "date", "units", series, horizon=horizon, **asked)


def refusal(folder: Path, content: str, series: str | None = None, **asked: Any) -> str:
    with pytest.raises(TableProblem) as refused:
        load(folder, content, series, **asked)
    assert str(folder) not in str(refused.value)
    return str(refused.value)


# --- what is read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("freq", FREQUENCIES)
@pytest.mark.parametrize("asked", [True, False], ids=["named", "found"])
def test_every_spacing_is_read(tmp_path: Path, freq: Freq, asked: bool) -> None:
    count = own_series.values_needed(3)
    found = load(tmp_path, table(times(freq, count)), freq=freq if asked else None)
    (one,) = found.series
    assert (found.freq, found.season, found.horizon) == (freq, SEASONS[freq], 3)
    assert (one.id, one.start) == ("units", START)
    np.testing.assert_array_equal(one.values, np.arange(count))


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    header, *rows = shops(south=days(30), north=days(20)).splitlines(keepends=True)
    shuffled = random.Random(3).sample(rows, len(rows))
    found = load(tmp_path, header + "".join(shuffled), "shop")
    assert [(one.id, len(one.values)) for one in found.series] == [("north", 20), ("south", 30)]
    for one in found.series:
        np.testing.assert_array_equal(one.values, np.arange(len(one.values)))
        assert one.start == START


def test_series_may_begin_on_days_of_their_own(tmp_path: Path) -> None:
    content = shops(
        mondays=times("W", 110, "%Y-%m-%d"), fridays=times("W", 110, "%Y-%m-%d", START + dt.timedelta(days=4))
    )
    found = load(tmp_path, content, "shop")
    assert found.freq == "W"
    assert [one.start for one in found.series] == [dt.datetime(2018, 1, 5), START]


def test_five_days_of_a_single_week_are_days(tmp_path: Path) -> None:
    hours = [f"{day} 12:00" for day in days(5)]
    assert "11 are needed" in refusal(tmp_path, table(hours))


FORMS = [
    *[("D", form) for form in ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d/%m/%Y", "%d.%m.%Y", "%m/%d/%Y")],
    *[("D", form) for form in ("%Y-%m-%d 00:00:00", "%Y-%m-%dT00:00:00.000")],
    *[("MS", "%Y-%m"), ("YS", "%Y"), ("h", "%m/%d/%Y %I:%M %p"), ("30min", "%-d.%-m.%Y %-H:%M")],
    ("YS", "%d/%m/%Y"),  # days alike in either order need no proof
]


@pytest.mark.parametrize(("freq", "form"), FORMS)
def test_dates_and_times_are_read_in_common_forms(tmp_path: Path, freq: str, form: str) -> None:
    found = load(tmp_path, table(times(freq, 800, form)))
    assert (found.freq, found.series[0].start, len(found.series[0].values)) == (freq, START, 800)


def test_order_of_day_and_month_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    load(tmp_path, table(days(40, "%d/%m/%Y")))
    assert "sales.csv, column 'date': the day stands first, as line 14 shows ('13/01/2018')" in caplog.messages


@pytest.mark.parametrize(
    ("form", "offset"),
    [("%Y-%m-%dT%H:%MZ", 0), ("%Y-%m-%d %H:%M:%S UTC", 0), ("%Y-%m-%dT%H:%M+0530", 5.5), ("%Y-%m-%d %H:%M -08:00", -8)],
)
def test_utc_offset_is_kept(tmp_path: Path, form: str, offset: float) -> None:
    found = load(tmp_path, table(times("h", 60, form)))
    assert found.series[0].start == START.replace(tzinfo=dt.timezone(dt.timedelta(hours=offset)))
    assert found.series[0].start.utcoffset() == dt.timedelta(hours=offset)


def test_last_days_of_months_stand_for_the_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for every, freq in [(1, "MS"), (3, "QS"), (12, "YS")]:
        found = load(tmp_path, table(month_ends(360)[::every]))
        assert (found.freq, found.series[0].start) == (freq, START)
    assert (
        "sales.csv, column 'date': all times are last days of months; the first days stand for them" in caplog.messages
    )


@pytest.mark.parametrize(
    ("values", "expected", "start"),
    [
        (
            [1, "", "NA", "nan", "NULL", "-2.5", "+1e3", ".5", *range(8)],
            [1, *[np.nan] * 4, -2.5, 1000, 0.5, *range(8)],
            START,
        ),
        (["", "", *range(9), "", "", ""], range(9), START + dt.timedelta(days=2)),  # left out at the ends
        ([7] * 9, [7] * 9, START),
    ],
)
def test_empty_and_na_values_are_missing(
    tmp_path: Path, values: list[Any], expected: Iterable[float], start: dt.datetime
) -> None:
    found = load(tmp_path, table(days(len(values)), values), horizon=1)
    np.testing.assert_array_equal(found.series[0].values, [*expected])
    assert found.series[0].start == start
    assert found.described.rows == {"series": 1, "values": int(np.isfinite([*expected]).sum())}


def test_gaps_are_filled_with_missing_values_on_demand(tmp_path: Path) -> None:
    every = days(40)
    found = load(tmp_path, table(every[:5] + every[7:]), fill_gaps=True)
    np.testing.assert_array_equal(found.series[0].values[:9], [0, 1, 2, 3, 4, np.nan, np.nan, 5, 6])
    assert found.described.rows == {"series": 1, "values": 38}


def test_parquet_with_times_is_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    hours = timestamps(START, "h", 0, 60)
    pyarrow.parquet.write_table(pa.table({"at": pa.array(hours, pa.timestamp("ns")), "y": [1.5] * 59 + [None]}), buffer)
    (tmp_path / "load.parquet").write_bytes(buffer.getvalue())
    found = own_series.load(tmp_path / "load.parquet", "at", "y", horizon=3)
    assert (found.freq, found.series[0].start, len(found.series[0].values)) == ("h", START, 59)


def test_data_is_described_without_its_folder(tmp_path: Path) -> None:
    described = load(tmp_path, table(days(40))).described
    assert (described.name, described.origin, described.licence) == ("sales.csv", "own file", "the owner's")
    assert str(tmp_path) not in described.model_dump_json()


# --- what is refused -------------------------------------------------------------------------------------------------

HOURS = times("h", 60)
# fmt: off
PROBLEMS = {
    "no date": (table(["1-01", *days(40)[1:-1], "soon"]),
        "sales.csv, column 'date', lines 2 and 41: '1-01' is no date or time that can be read for certain; write ISO"),
    "no such day": (table([*days(40), "2018-02-30"]),
        "line 42: '2018-02-30' is no date or time that exists; correct it"),
    "no such hour": (table([*times("h", 60, "%d/%m/%Y %I:%M %p"), "14/01/2018 13:00 PM"]),
        "'14/01/2018 13:00 PM' is no"),
    "empty time": (table(["", *days(40), ""]), "sales.csv, column 'date', lines 2 and 43: the time is empty"),
    "spreadsheet number": (table(str(number) for number in range(43466, 43506)), "'43466' is no date or time"),
    "order unknown": (table(times("MS", 12, "%d/%m/%Y")),
        "sales.csv, column 'date', line 3: '01/02/2018' may have the day or the month first, and no other row tells"),
    "both orders": (table(["01/02/2018", "13/02/2018", "02/13/2018"]),
        "lines 3 and 4: the day stands first in '13/02/2018' and the month in '02/13/2018'; write ISO 8601"),
    "half converted": (table(["2018-02-01", "13/01/2018"]),
        "lines 2 and 3: dates are written in two ways, '2018-02-01' and '13/01/2018', as a spreadsheet leaves them"),
    "some with offset": (table([*HOURS, "2018-02-01T00:00Z"]),
        "lines 2 and 62: some times have a UTC offset and some have"),
    "two offsets": (table([f"{HOURS[0]}+01:00", f"{HOURS[1]}+02:00"]),
        "lines 2 and 3: times have different UTC offsets ('2018-01-01 00:00+01:00', '2018-01-01 01:00+02:00'); write"),
    "doubled time": (table([*days(40), "2018-01-03"]),
        "sales.csv, column 'date', lines 4 and 42: the series has two rows of '2018-01-03'; keep one of the rows, or "
        "add them up; if the file holds several series, name the column that tells them apart (--series)"),
    "doubled rows": (table([*days(40)] * 2, [5] * 80),
        "(40 times are doubled in the whole file); both rows hold the same"),
    "doubled hour": (table([*HOURS, HOURS[2]]), "if clocks were changed there, write the times in UTC"),
    "gap": (table(days(40)[:5] + days(40)[7:20] + days(40)[21:]),
        "sales.csv, column 'date', lines 6 and 7: the series has no row for 2 steps of freq D between '2018-01-05' and "
        "'2018-01-08' (2 gaps, 3 steps in the whole file); add the rows, with 0 where nothing happened"),
    "mistyped year": (table([*days(40), "2918-02-10"]),
        "lines 41 and 42: the series has no row for 328,718 steps of freq D between '2018-02-09' and '2918-02-10';"),
    "hour off the others": (table([*HOURS, "2018-01-03 12:17"]),
        "line 62: '2018-01-03 12:17' is no whole number of steps of freq h (hour) from other times, such as '2018-"),
    "first hour off the others": (table(["2017-12-31 22:17", *HOURS]), "line 2: '2017-12-31 22:17' is no whole number"),
    "middle of the month": (table(times("MS", 30, "%Y-%m-15")),
        "lines 2, 3, 4 and 27 more: '2018-01-15' is not the first day of a month, as freq MS needs; write the first"),
    "one that is no last day": (table([*month_ends(30), "2020-07-30"]),
        "line 32: '2020-07-30' is not the last day of a month, as most times are; write the last day in all rows, or"),
    "every second hour": (table(times("h", 120)[::2]),
        "column 'date': the rows keep none of the spacings that are known; they are most often apart by 2:00:00 (59 "
        "times, as from '2018-01-01 00:00' to '2018-01-01 02:00'). Bring them to one of 15min (quarter of an hour),"),
    "decimal comma": (table(days(40), ["1", '"2,5"', *["3"] * 38]),
        "sales.csv, column 'units', line 3: '2,5' is not a number; write numbers such as 1234.5, with a point (not a"),
    "thousands": (table(days(40), ['"1,234.5"', '"1.234,5"', "1 234", "n/a", *["3"] * 36]), "lines 2, 3, 4 and 1 more"),
    "digits of another script": (table(days(40), ["١٢", "1_000", *["3"] * 38]), "lines 2 and 3: '١٢' is not a number"),
    "infinite": (table(days(40), ["inf", "1e39", *["3"] * 38]),
        "lines 2 and 3: the value is infinite or beyond 3.4e38"),
    "no value": (table(days(40), [""] * 40), "sales.csv: series 'units' has no value at all; remove its rows"),
    "too short": (table(days(10)),
        "sales.csv: there are 10 values, not counting missing ones. With a horizon of 3, 11 are needed: 3 to measure"),
}
# fmt: on


@pytest.mark.parametrize(("content", "message"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_one_series_is_refused_by_line_and_reason(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(tmp_path, content)


WITH_FREQ = {
    "weekends": (
        table(days(40)),
        "B",
        "lines 7, 8, 14 and 7 more: '2018-01-06' is a Saturday, and freq B has Monday to",
    ),
    "look like days": (table(days(40)), "B", "the rows look like freq D (day): choose that"),
    "look like working days": (table(times("B", 40)), "D", "the rows look like freq B (working day, Monday to Friday)"),
    "look like hours": (table(HOURS), "15min", "no row for 3 steps of freq 15min between '2018-01-01 00:00' and"),
    "one Saturday": (table([*times("B", 40), "2018-02-24"]), "B", "line 42: '2018-02-24' is a Saturday"),
}


@pytest.mark.parametrize(("content", "freq", "message"), WITH_FREQ.values(), ids=WITH_FREQ.keys())
def test_spacing_that_was_named_is_checked(tmp_path: Path, content: str, freq: Freq, message: str) -> None:
    assert message in refusal(tmp_path, content, freq=freq)


# fmt: off
MANY = {
    "no name": (shops(north=days(40)).replace("north,5\n", " ,5\n"),
        "sales.csv, column 'shop', line 7: the name of the"),
    "two spacings": (
        shops(north=days(40), south=times("MS", 40)),
        "lines 2 and 42: series 'north' has freq D and series 'south' freq MS; all series of a file must have the same",
    ),
    "one gap": (shops(north=days(40), south=days(40)[:8] + days(40)[9:]),
        "lines 49 and 50: series 'south' has no row for"),
    "short": (shops(a=days(40), b=days(9), c=days(8), d=days(7), e=days(6)),
        "4 of 5 series have too few values, not counting missing ones: 'b' (9), 'c' (8), 'd' (7) and 1 more. With"),
    "one row each": ("date,shop,units\n" + "".join(f"{day},{day},1\n" for day in days(40)),
        "sales.csv: no series has more than one row; is 'shop' what tells the series apart?"),
}
# fmt: on


@pytest.mark.parametrize(("content", "message"), MANY.values(), ids=MANY.keys())
def test_many_series_are_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(tmp_path, content, "shop")


def test_filling_more_steps_than_there_are_rows_is_refused(tmp_path: Path) -> None:
    content = table([*days(40), "2918-02-10"])
    assert "correct the time if it is mistyped" in refusal(tmp_path, content, fill_gaps=True)


def test_unknown_spacing_and_horizon_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"freq 'ME' is not known; it is one of 15min \(quarter of an hour\), 30min"):
        load(tmp_path, table(days(40)), freq="ME")
    with pytest.raises(ValueError, match="horizon is 0; it must be 1 step or more"):
        load(tmp_path, table(days(40)), horizon=0)


# --- files of other people -------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_transformer_temperatures_are_read(real_data: Path) -> None:
    found = own_series.load(real_data / "ett" / "ETTm1.csv.gz", "date", "OT", horizon=96)
    assert (found.freq, len(found.series[0].values)) == ("15min", 46_080)


@pytest.mark.real_data
def test_doubled_days_of_the_ridership_are_named(real_data: Path) -> None:
    path = real_data / "cta_ridership" / "daily_boardings_to_2019-05-31.csv"
    with pytest.raises(TableProblem, match=r"lines 3928 and 3959: .* '10/01/2011' \(62 times are doubled"):
        own_series.load(path, "service_date", "bus", horizon=14)


@pytest.mark.real_data
def test_leap_days_left_out_of_the_temperatures_are_named(real_data: Path) -> None:
    path = real_data / "classic_series" / "daily-min-temperatures.csv"
    with pytest.raises(TableProblem, match="1 step of freq D between '1984-12-30' and '1985-01-01'"):
        own_series.load(path, "Date", "Temp", horizon=14)
    assert len(own_series.load(path, "Date", "Temp", horizon=14, fill_gaps=True).series[0].values) == 2921
