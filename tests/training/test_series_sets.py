"""Loaders of many series: what a file says, what it may not say, and which part of an original is read."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from training.data import classic_series, competitions, ett, exchange_rate, m4
from training.data.loaders import SERIES_SETS
from training.data.series_file import load_series_file
from training.data.source import DataUnavailable, read_part, sha256

ORIGINAL = "h\r\na\r\nb\r\nsecret\r\n"
PART = b"h\na\nb\n"


def jsonl(*rows: dict[str, object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


ROWS = (
    {"id": "a", "period": "MONTHLY", "h": 2, "x": [1, None, 3, 4]},
    {"id": "b", "period": "YEARLY", "h": 1, "x": [5, 6]},
    {"id": "c", "period": "MONTHLY", "h": 2, "x": [7, 8, 9]},
    {"id": "d", "period": "OTHER", "h": 2, "x": [7, 8, 9]},
)


# --- the part of an original -----------------------------------------------------------------------------------------


def test_part_of_an_original_ends_before_the_test_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQSERVE_DATA", raising=False)
    asked = []

    def fetch(url: str, known_hash: str | None, name: str) -> bytes:
        asked.append((url, known_hash, name))
        return ORIGINAL.encode()

    assert read_part("set", "file.csv.gz", "https://x.org/file.csv", 3, sha256(PART), fetch) == PART
    assert asked == [("https://x.org/file.csv", None, "set_file.csv")]
    packed = gzip.compress(ORIGINAL.encode())
    assert read_part("set", "f.gz", "https://x.org/f.gz", 3, sha256(PART), lambda *_: packed) == PART
    with pytest.raises(DataUnavailable, match="is not the expected file: its first 3 lines differ"):
        read_part("set", "f.csv", "https://x.org/f.csv", 3, sha256(b"other"), fetch)


def test_local_copy_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQSERVE_DATA", str(tmp_path))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "f.csv.gz").write_bytes(gzip.compress(PART))
    assert read_part("set", "f.csv.gz", "https://x.org/f.csv", 3, "", lambda *_: pytest.fail("downloaded")) == PART


def test_competitions_say_where_they_are_published_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQSERVE_DATA", raising=False)
    for competition in competitions.COMPETITIONS:
        with pytest.raises(DataUnavailable, match=rf"R's own format: .*{competition.name}/train.jsonl.gz"):
            SERIES_SETS[competition.name]()


# --- what a file says ------------------------------------------------------------------------------------------------


def test_competition_is_parted_by_spacing() -> None:
    sets = competitions.parse(jsonl(*ROWS), competitions.COMPETITIONS[0])
    assert [(one.name, one.freq, one.season, one.horizon) for one in sets] == [
        ("m1 monthly", "MS", 12, 2),
        ("m1 yearly", "YS", 1, 1),
        ("m1 other", None, 1, 2),
    ]
    assert [series.id for series in sets[0].series] == ["a", "c"]
    np.testing.assert_array_equal(sets[0].series[0].values, [1, np.nan, 3, 4])
    assert sets[0].described.rows == {"series": 2, "values": 7}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "e", "period": "MONTHLY", "x": [1]}, "line 5: expected"),
        ({"id": "e", "period": "MONTHLY", "h": 1, "x": ["one"]}, "line 5: expected"),
        ({"id": "e", "period": "HOURLY", "h": 1, "x": [1]}, "line 5: period must be one of YEARLY"),
    ],
)
def test_malformed_line_of_a_competition_is_named(row: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        competitions.parse(jsonl(*ROWS, row), competitions.COMPETITIONS[0])


def test_empty_cells_on_the_right_of_m4_are_no_values() -> None:
    series = m4.parse('"V1","V2","V3","V4"\n"H1","1","2.5",""\n"H2","3","","4"\n')
    assert [one.id for one in series] == ["H1", "H2"]
    np.testing.assert_array_equal(series[0].values, [1, 2.5])
    np.testing.assert_array_equal(series[1].values, [3, np.nan, 4])
    for text, message in (
        ("id,x\n", "line 1: expected the header"),
        ("V1,V2\nH1,one\n", "line 2: expected numbers"),
        ("V1,V2\nH1,\n", "line 2: H1 has no value"),
    ):
        with pytest.raises(ValueError, match=message):
            m4.parse(text)


ETT_TEXT = "date,HUFL,OT\n2016-07-01 00:00:00,1,2\n2016-07-01 01:00:00,3,4\n"


def test_columns_of_ett_are_series() -> None:
    series = ett.parse(ETT_TEXT, "ETTh1")
    assert [(one.id, one.values.tolist()) for one in series] == [("ETTh1 HUFL", [1, 3]), ("ETTh1 OT", [2, 4])]
    assert series[0].start is not None
    assert series[0].start.year == 2016
    with pytest.raises(ValueError, match="expected the columns date"):
        ett.parse("time,x\n1,2\n", "ETTh1")


def test_columns_of_exchange_rates_are_countries() -> None:
    series = exchange_rate.parse("1,2,3,4,5,6,7,8\n2,3,4,5,6,7,8,9\n")
    assert (series[7].id, series[7].values.tolist()) == ("Singapore", [8, 9])
    with pytest.raises(ValueError, match="expected 8 numbers a row, not 2"):
        exchange_rate.parse("1,2\n3,4\n")


def test_classic_series_has_a_date_and_a_value() -> None:
    assert classic_series.parse('"Month","Sales"\n"1-01",3.5\n"1-02",4\n', "shampoo.csv").values.tolist() == [3.5, 4]
    with pytest.raises(ValueError, match=r"shampoo.csv: expected a date and a value a row, not 3 columns"):
        classic_series.parse("a,b,c\n1,2,3\n", "shampoo.csv")


# --- any file of those forms -----------------------------------------------------------------------------------------

FORMS = {
    "competition": ("test.jsonl", jsonl(*ROWS), ["MS", "YS", None], [2, 1, 2]),
    "m4 hourly": ("Hourly-test.csv", b'"V1","V2","V3"\n"H1","1","2"\n', ["h"], [48]),
    "m4 weekly": ("Weekly-test.csv", b"V1,V2,V3\nW1,1,2\n", ["W"], [13]),
    "ett hourly": ("ETTh1.csv", ETT_TEXT.encode(), ["h"], [24]),
    "ett quarters": ("ETTm1.csv", b"date,HUFL,OT\n2016-07-01 00:00:00,1,2\n2016-07-01 00:15:00,3,4\n", ["15min"], [96]),
    "exchange": ("rates.txt", b"1,2,3,4,5,6,7,8\n2,3,4,5,6,7,8,9\n", ["D"], [14]),
    "classic": ("shampoo.csv", b'"Month","Sales"\n"1-01",3.5\n"1-02",4\n', ["MS"], [12]),
    "boardings": (
        "chicago.csv",
        b"service_date,day_type,bus,rail_boardings,total_rides\n01/01/2019,U,1,2,3\n01/02/2019,W,4,5,9\n",
        ["D"],
        [14],
    ),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_form_of_a_file_is_recognised(form: str, packed: bool, tmp_path: Path) -> None:
    name, content, freqs, horizons = FORMS[form]
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    sets = load_series_file(path)
    assert [one.freq for one in sets] == freqs
    assert [one.horizon for one in sets] == horizons


def test_file_of_no_known_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("date,shop,units\n2024-01-01,a,3\n")
    with pytest.raises(ValueError, match=r"sales.csv has the form of none of the known data sets"):
        load_series_file(path)


@pytest.mark.real_data
def test_every_set_has_series_long_enough_to_hold_out_its_horizon(real_data: Path) -> None:
    names = [one.name for load in SERIES_SETS.values() for one in load()]
    assert len(set(names)) == len(names) == 20
    for load in SERIES_SETS.values():
        for one in load():
            assert min(len(series.values) for series in one.series) > one.horizon
