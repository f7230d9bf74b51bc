"""Loaders: the public original and the local folder give the same rows; what is wrong is named."""

import datetime as dt
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests

from bundle.tasks.forecast.series import day_type
from training.data import cta_ridership, sms_spam, source
from training.data.loaders import COVARIATE_SERIES, LABELLED_TEXTS
from training.data.source import DataUnavailable, sha256

MESSAGES = [
    ("ham" if number % 3 else "spam", f'message number {number}, "quoted" and 100% odd') for number in range(60)
]
SMS = "".join(f"{label}\t{text}\n" for label, text in MESSAGES)

HEADER = "service_date,day_type,bus,rail_boardings,total_rides\n"


def boardings(first: dt.date, days: int) -> list[str]:
    rows = []
    for number in range(days):
        date = first + dt.timedelta(days=number)
        rows.append(f"{date:%m/%d/%Y},{day_type(date)},{1000 + number},{2000 + number},{3000 + 2 * number}\n")
    return rows


# --- SMS Spam Collection ---------------------------------------------------------------------------------------------


def test_messages_are_split_by_their_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQSERVE_DATA", raising=False)
    split = sms_spam.load(lambda url, known_hash, name: SMS.encode())
    parts = {text: sms_spam.part_of(text) for _, text in MESSAGES}
    assert set(parts.values()) == {"train", "valid", "test"}
    assert split.train.texts == [text for _, text in MESSAGES if parts[text] == "train"]
    assert split.valid.texts == [text for _, text in MESSAGES if parts[text] == "valid"]
    assert split.described[0].rows == {"train": len(split.train.texts), "valid": len(split.valid.texts)}


def test_white_space_at_the_ends_does_not_move_a_message() -> None:
    assert all(sms_spam.part_of(f" \t{text}\n") == sms_spam.part_of(text) for _, text in MESSAGES)


def test_other_line_separators_are_part_of_a_message() -> None:
    assert sms_spam.parse("ham\ta\u2028b\x85c\rd\nspam\te\n").texts == ["a\u2028b\x85c\rd", "e"]


@pytest.mark.parametrize("text", ["ham no tab\n", "eggs\thello\n", "ham\tfine\n\n"])
def test_malformed_line_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d"):
        sms_spam.parse(text)


@pytest.mark.real_data
def test_local_messages_obey_the_split_rule(real_data: Path) -> None:
    split = LABELLED_TEXTS["sms_spam"].load()
    assert (len(split.train.texts), len(split.valid.texts)) == (3925, 557)
    assert {sms_spam.part_of(text) for text in split.train.texts} == {"train"}
    assert {sms_spam.part_of(text) for text in split.valid.texts} == {"valid"}
    assert split.train.labels.count("spam") == 543


# --- Chicago ridership -----------------------------------------------------------------------------------------------


def original(with_test_days: int) -> bytes:
    rows = boardings(dt.date(2019, 5, 1), 31 + with_test_days)
    rows[3:3] = rows[10:12]  # two days doubled, out of order
    return (HEADER + "".join(rows)).encode()


def test_original_is_cut_before_the_test_part_and_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQSERVE_DATA", raising=False)
    with pytest.raises(DataUnavailable, match="not the expected file"):
        cta_ridership.load(lambda url, known_hash, name: original(40))
    part = cta_ridership.first_part(original(40))
    assert part == original(0)
    monkeypatch.setattr(cta_ridership, "PART_SHA256", sha256(part))
    split = cta_ridership.load(lambda url, known_hash, name: original(40))
    assert split.series.date_at(len(split.series.target) - 1) == dt.date(2019, 5, 31)


def test_days_are_sorted_and_doubles_dropped() -> None:
    series = cta_ridership.parse(original(0).decode())
    assert series.start == dt.date(2019, 5, 1)
    np.testing.assert_array_equal(series.target, 2000 + np.arange(31.0))
    np.testing.assert_array_equal(series.past["bus"], 1000 + np.arange(31.0))
    assert series.future["day_type"][:7] == ["W", "W", "W", "A", "U", "W", "W"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("service_date,bus\n01/01/2019,1\n", "columns absent: day_type, rail_boardings"),
        (HEADER + "01/01/2019,U,1,2,3\n01/03/2019,W,1,2,3\n", "2019-01-02 has no row"),
        (HEADER + "01/01/2019,U,1,2,3\n01/01/2019,U,1,9,3\n", "2019-01-01 has two rows that disagree"),
    ],
)
def test_gaps_and_contradictions_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cta_ridership.parse(text)


@pytest.mark.real_data
def test_day_type_rule_agrees_with_every_published_day(real_data: Path) -> None:
    series = COVARIATE_SERIES["cta_ridership"].load().series
    derived = [day_type(series.date_at(index)) for index in range(len(series.target))]
    assert len(derived) == 6725
    assert derived == series.future["day_type"]


@pytest.mark.real_data
def test_local_days_are_the_ones_the_download_is_checked_against(real_data: Path) -> None:
    content = (real_data / "cta_ridership" / cta_ridership.LOCAL_FILE).read_bytes()
    assert sha256(content) == cta_ridership.PART_SHA256
    assert cta_ridership.first_part(content) == content


# --- sources ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [sms_spam.load, cta_ridership.load])
def test_folder_without_the_data_set_is_said_so(load: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQSERVE_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match="SEQSERVE_DATA is set, but"):
        load()  # type: ignore[operator]


def test_being_offline_is_said_with_a_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(*_: object, **__: object) -> None:
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "get", offline)
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path)
    with pytest.raises(DataUnavailable, match="check the network, or set SEQSERVE_DATA"):
        source.download("https://example.invalid/data", "sha256:" + "0" * 64, "data")


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A public origin: a real HTTP server, on this machine."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "data.txt").write_bytes(b"the data")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "public"))
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "cache")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/data.txt"
        server.shutdown()


def test_download_is_fetched_once_and_checked(origin: str, tmp_path: Path) -> None:
    known_hash = "sha256:" + sha256(b"the data")
    with pytest.raises(DataUnavailable, match="not the expected file"):
        source.download(origin, "sha256:" + "0" * 64, "other.txt")
    assert source.download(origin, known_hash, "data.txt") == b"the data"
    (tmp_path / "public" / "data.txt").unlink()
    assert source.download(origin, known_hash, "data.txt") == b"the data"
    with pytest.raises(DataUnavailable, match="can't be reached"):
        source.download(origin, known_hash, "gone.txt")
