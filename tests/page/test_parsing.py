"""Pasted text is parsed as one series, or an error says what to change: the page's own modules, called directly."""

import datetime as dt
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.slow

PARSE = """([text, chosen]) => import("/assets/forecast/series.js").then(({ readSeries }) => {
  try {
    const { values, start, freq, parsed } = readSeries(text, chosen ?? {});
    return { values, start, freq, parsed };
  } catch (error) {
    return { error: error.message };
  }
})"""


def parse(modules: Page, text: str, chosen: dict[str, str] | None = None) -> dict[str, Any]:
    """`values`, `start`, `freq` and `parsed`, or `error`."""
    found: dict[str, Any] = modules.evaluate(PARSE, [text, chosen])
    return found


WORKING_DAYS = [1, 2, 3, 4, 5, 8, 9, 10]
HALVES = ["2024-01-01 00:00,1", "2024-01-01 00:30,2", "2024-01-01 02:00,5"]


@pytest.mark.parametrize(
    ("text", "values", "start", "freq"),
    [
        ("1, 2, null, 4", [1, 2, None, 4], None, None),
        ("[1, null, 2.5]", [1, None, 2.5], None, None),
        ("1,5 2,5 3,5", [1.5, 2.5, 3.5], None, None),
        ("1\nNA\n3e2\n-4", [1, None, 300, -4], None, None),
        ("−5\n3\n−2.5", [-5, 3, -2.5], None, None),
        ("[1, 2, null]", [1, 2, None], None, None),
        ("d;v\n2024-01-01;1.100\n2024-01-02;1.159", [1.1, 1.159], "2024-01-01", "D"),
        ("a;b\n01.02.2024;1.234,5\n02.02.2024;2,5", [1234.5, 2.5], "2024-02-01", "D"),
        ("d\tv\n01/13/2024\t1\n01/15/2024\t3\n01/14/2024\t2", [1, 2, 3], "2024-01-13", "D"),
        ("t,v\n" + "\n".join(HALVES), [1, 2, None, None, 5], "2024-01-01T00:00", "30min"),
        ('"day","units, sold"\n"2024-01-01","1,000"\n"2024-01-08","2,500.5"', [1000, 2500.5], "2024-01-01", "W"),
        ("q,v\n2023Q4,1\n2024Q1,2", [1, 2], "2023-10-01", "QS"),
        ("year,v\n2001,5\n2002,6\n2003,", [5, 6, None], "2001-01-01", "YS"),
        ("d,v\n" + "\n".join(f"2024-01-{day:02},{day}" for day in WORKING_DAYS), WORKING_DAYS, "2024-01-01", "B"),
    ],
)  # fmt: skip
def test_tables_are_parsed(
    modules: Page, text: str, values: list[float | None], start: str | None, freq: str | None
) -> None:
    found = parse(modules, text)
    assert (found.get("values"), found.get("start"), found.get("freq")) == (values, start, freq), found
    assert f"{len(values)} values" in found["parsed"]
    assert f"{values.count(None)} missing" in found["parsed"]


def rows(*lines: str) -> str:
    return "\n".join(lines)


def days(row: str, count: int = 4) -> str:
    """Lines of the first days of 2024: `row` with the date, the same without dashes, and a count filled in."""
    first = dt.date(2024, 1, 1)
    dates = [first + dt.timedelta(days=day) for day in range(count)]
    return rows(*(row.format(date, f"{date:%Y%m%d}", day) for day, date in enumerate(dates)))


DAILY = "daily from 2024-01-01 to 2024-01-04, 0 missing"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (rows(",value", days("{0},{2}7")), f"4 values of value, {DAILY}."),
        (rows(",date,value", days("{2},{0},{2}7")), f"4 values of value, {DAILY}."),
        (rows('"","date","value"', days('"{2}","{0}",{2}7')), f"4 values of value, {DAILY}."),
        (rows("Unnamed: 0,date,value", days("{2},{0},{2}7")), f"4 values of value, {DAILY}."),
        (rows(",date,value", "3,2024-01-01,5", "7,2024-01-02,6"), "2 values of value, daily"),
        (rows("date,value,", days("{0},{2}7,")), f"4 values of value, {DAILY}."),
        (rows("date,,", days("{0},{2}7,")), f"4 values of column 2, {DAILY}."),
        (rows("date,2023", days("{0},{2}7")), f"4 values of 2023, {DAILY}."),
        (rows("date,2023", days("{0},{2}7")), "first line taken as names"),
        (rows(",0", days("{0},{2}7")), f"4 values of 0, {DAILY}."),
        (days("{0},{2}7"), f"4 values of column 2, {DAILY}."),
        (rows("id,sales", "7,5", "9,6", "20,7"), "3 values of sales, frequency unknown"),
        (rows("hour,load", "22,5", "23,9", "0,7"), "3 values of load, frequency unknown"),
        (rows("step,sales", "0,5", "1,6", "2,9"), "3 values of sales, frequency unknown"),
        (rows("date,id,sales", days("{0},9{2},{2}7")), f"4 values of sales, {DAILY}."),
        (rows("date,value", days("{1},{2}7")), f"4 values of value, {DAILY}."),
        (rows("when,value", days("{1},{2}7")), f"4 values of value, {DAILY}."),
        (days("{1},{2}7"), f"4 values of column 2, {DAILY}."),
        (rows("day,value", days("{1}T0630,{2}7")), "daily from 2024-01-01T06:30 to 2024-01-04T06:30"),
        (rows("timestamp,v", "1704067200,5", "1704070800,6"), "hourly from 2024-01-01T00:00 to 2024-01-01T01:00, 0"),
        (rows("ts,v", "1704067200000,5", "1704070800000,6"), "Unix milliseconds taken as UTC"),
        (rows("month,v", "Jan 2015,5", "February 2015,6"), "monthly from 2015-01-01 to 2015-02-01"),
        (rows("month,v", "2019.09,5", "2019.10,6"), "monthly from 2019-09-01 to 2019-10-01"),
        (rows("day,v", "15-Jan-2015,5", "16-Jan-2015,6"), "daily from 2015-01-15 to 2015-01-16"),
        (rows("day,v", '"Jan 15, 2015",5', '"Jan 16, 2015",6'), "daily from 2015-01-15 to 2015-01-16"),
        (rows("w,v", "2020-W53,5", "2021-W01,6"), "weekly from 2020-12-28 to 2021-01-04"),
        (rows("t,v", "1/13/2024 11:00 AM,5", "1/13/2024 12:00 PM,6"), "2024-01-13T11:00 to 2024-01-13T12:00"),
        (rows("t,v", "1/13/2024 12:00 AM,5", "1/13/2024 1:00 AM,6"), "2024-01-13T00:00 to 2024-01-13T01:00"),
        (rows("d,v", "0001-01-01,5", "0002-01-01,6"), "yearly from 0001-01-01 to 0002-01-01"),
        (rows("d,v", "0001-01-31,5", "0001-02-28,6", "0001-03-31,6"), "monthly from 0001-01-01 to 0001-03-01"),
        (rows("d,v", days("{0},1234.{2}")), f"4 values of v, {DAILY}."),
        (rows("d;v", days("{0};1.10{2}")), "points taken as decimal points, not between thousands"),
        ("2001\n2002\n2003", "3 values of column 1, frequency unknown"),
    ],
)  # fmt: skip
def test_columns_are_classified(modules: Page, text: str, parsed: str) -> None:
    found = parse(modules, text)
    assert parsed in found.get("parsed", found)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (" ", "paste numbers or a table"),
        ("hello\nworld", "No column of numbers"),
        ("1,5\n2,7\n3,1", "could be one number or two"),
        ("d;v\n2024-01-01;1,234\n2024-01-02;2,345", "group thousands or begin decimals"),
        ("d,v\n02/03/2024,1\n03/03/2024,2", "can be read in two ways"),
        ("d,v\n2024-02-30,1\n2024-03-01,2", "is not a date"),
        ("d,v\n2024-01-01,1\n2024-01-02,abc\n2024-01-03,3", "Line 3"),
        ("d,v\n2024-01-01,1\n2024-01-01,2", "repeats a date"),
        ("d,v\n2024-01-01,1\n2024-01-03,2\n2024-01-08,2", "not evenly spaced"),
        ("a,b\n1,2\n3,4,5", "Line 3 has 3 cells"),
        ('a,b\n"1,2', "never closed"),
        ("d,v\n2024-01-01,\n2024-01-02,", "No column of numbers"),
        (rows("date,value", days("{0},{2}7"), "Total,12345"), "Line 6: “Total” in date is not a date"),
        (rows("date,value", days("{1},{2}7"), "Total,12345"), "Line 6: “Total” in date is not a date"),
        (rows("date,value", "2024-01-01,1", ",2", "2024-01-03,3"), "Line 3 has no date"),
        (rows("date,value", "01.02.24,1", "02.02.24,2"), "Line 2: “01.02.24” gives its year in two digits"),
        (rows("date,value", "Jan-15,1", "Feb-15,2"), "gives its year in two digits"),
        (rows("date,value", "2021-W53,1", "2022-W01,2"), "Line 2: “2021-W53” is not a date"),
        (rows("t,value", "1/13/2024 13:00 PM,1", "1/13/2024 1:00 PM,2"), "is not a date"),
        (rows("t,value", "2024-01-01 10:75,1", "2024-01-01 11:00,2"), "is not a date"),
        (rows("Monat,v", "Mai 2015,1", "Juni 2015,2"), "“Mai 2015” in Monat is not a date"),
        (rows("time,v", "0.1,1", "0.2,2", "0.3,2"), "“0.1” in time is not a date that can be read. Write dates"),
        (rows("x,v", "1704067200,1", "1704070800,2", "1704074400,2"), "look like Unix time"),
        (rows("shop,2024-01-01,2024-01-02", "A,1,2"), "dates stand beside each other"),
        (rows("shop,2001,2002,2003", "A,1,2,3", "B,1,2,3"), "dates stand beside each other"),
        (rows("2024-01-01,abc", "2024-01-02,5", "2024-01-03,6"), "Line 1: “abc” in column 2 is not a number"),
        ("v\n1\n1e400", "Line 3: “1e400” is too large a number"),
        ("1 2 1e400", "“1e400” is too large a number"),
        ("[1, 2, 1e400]", "“1e400” is too large a number"),
        ('{"a": [1, 2, 3]}', "Of JSON, only a plain list of numbers is read"),
        ("[[1, 2], [3, 4]]", "Of JSON, only a plain list of numbers is read"),
        ("share\n5%\n6%", "Line 2: “5%” in share is a number with a sign or unit beside it"),
        (rows(",d,v", days("{2},{0},€ {2}")), "Line 2: “€ 0” in v is a number with a sign or unit beside it"),
        (rows("date,value", "2024-01-01,5"), "One row is too little"),
        (rows("d,v", "2024-01-01,1", "2024-01-01,2"), "1 row repeats a date"),
        (rows("d,v", "2024-01-01,1", "2024-01-01,2", "2024-01-01,2"), "2 rows repeat a date"),
    ],
)  # fmt: skip
def test_ambiguous_or_broken_text_is_an_error(modules: Page, text: str, error: str) -> None:
    found = parse(modules, text)
    assert error in found.get("error", "parsed: " + found.get("parsed", ""))


@pytest.mark.parametrize("start", ["2024-02-30", "2024-13-01", "01.02.2024", "soon"])
def test_first_date_must_exist(modules: Page, start: str) -> None:
    found = parse(modules, "1 2 3", {"freq": "MS", "start": start})
    assert "The first date must be one that exists" in found["error"]


def test_newest_values_are_taken_of_a_series_too_long(modules: Page) -> None:
    first = dt.datetime(2020, 1, 1)
    lines = [f"{first + dt.timedelta(hours=hour):%Y-%m-%dT%H:%M},{hour}" for hour in range(10_500)]
    found = parse(modules, rows("time,load", *lines))
    assert (len(found["values"]), found["values"][0], found["values"][-1]) == (10_000, 500, 10_499)
    assert found["start"] == lines[500].split(",")[0]
    assert "the newest 10,000 values of 10,500 are taken" in found["parsed"]


def test_negligible_weights_are_not_among_the_largest(modules: Page) -> None:
    remark = """weights => import("/assets/forecast/caption.js").then(({ remarks }) => {
      const explanation = weights.map((weight, index) => ({ start: index, end: index + 1, weight }));
      return remarks([], null, null, explanation, ["a", "b", "c"], 3)[0].textContent;
    })"""
    assert "largest weights: b to b (100 %)" in modules.evaluate(remark, [0, 0.9996, 0.0004])
    assert "0 %)" not in modules.evaluate(remark, [0, 0.98, 0]).replace("100 %)", "")
    assert "weights" not in modules.evaluate(remark, [0, 0, 0])
