"""Chicago Transit Authority daily boardings, bus and rail, from 2001-01-01.

Source: City of Chicago Data Portal, "CTA - Ridership - Daily Boarding Totals"; the copy of A. Géron, "Hands-On Machine
Learning", 3rd edition, chapter 15.
"""

import io
from pathlib import Path

import numpy as np
import pandas as pd

from bundle.manifest import TrainingData
from bundle.tasks.forecast.series import DAY_TYPES
from training.data.covariate_series import CovariateSeries, SeriesSplit
from training.data.series_set import Series, SeriesSet
from training.data.source import DataUnavailable, Fetch, download, local_folder, read_local, sha256

NAME = "cta_ridership"
LOCAL_FILE = "daily_boardings_to_2019-05-31.csv"
LAST_DAY = "2019-05-31"
"""Last day of the training and validation part; what follows is the test part, and never leaves this module."""

ORIGIN = (
    "https://raw.githubusercontent.com/ageron/data/2ea73147454d2ff8c8a933913be4606f05b352ca/"
    "ridership/CTA_-_Ridership_-_Daily_Boarding_Totals.csv"
)
PART_SHA256 = "8b926855e39b37d50038941a285d54d3a5e74fe8be0a4bd0ef3b31bb720dda1c"
"""Checksum of the rows up to LAST_DAY, unchanged and in the original order: it proves the original they come from."""


def first_part(content: bytes) -> bytes:
    """Header and the rows up to `LAST_DAY` of the original file, otherwise unchanged."""
    header, *rows = content.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n").split("\n")
    kept = [row for row in rows if pd.to_datetime(row.split(",", 1)[0], format="%m/%d/%Y") <= pd.Timestamp(LAST_DAY)]
    return "".join(row + "\n" for row in [header, *kept]).encode()


def parse(text: str) -> CovariateSeries:
    """Read the portal's CSV: sorted by date, doubled days dropped, one row for every day.

    Raises `ValueError` where a column, a day or a count is absent, a day type is unknown, or two rows of one day
    disagree.
    """
    table = pd.read_csv(io.StringIO(text))
    wanted = ["service_date", "day_type", "bus", "rail_boardings"]
    if absent := [column for column in wanted if column not in table.columns]:
        raise ValueError(f"columns absent: {', '.join(absent)}; expected {', '.join(wanted)}")
    table["service_date"] = pd.to_datetime(table["service_date"], format="%m/%d/%Y")
    table = table[wanted].drop_duplicates().sort_values("service_date").set_index("service_date")
    if table.empty:
        raise ValueError("there are no rows")
    if table.index.has_duplicates:
        raise ValueError(f"{table.index[table.index.duplicated()][0]:%Y-%m-%d} has two rows that disagree")
    present = pd.DatetimeIndex(table.index)
    days = pd.date_range(present[0], present[-1], freq="D")
    if len(days) != len(present):
        raise ValueError(f"{days.difference(present)[0]:%Y-%m-%d} has no row")
    if (unknown := ~table["day_type"].isin(DAY_TYPES)).any():
        raise ValueError(f"{present[unknown][0]:%Y-%m-%d} has a day_type other than {', '.join(DAY_TYPES)}")
    if (uncounted := ~np.isfinite(table[["bus", "rail_boardings"]].to_numpy(dtype=float)).all(axis=1)).any():
        raise ValueError(f"{present[uncounted][0]:%Y-%m-%d} has no count of its boardings")
    return CovariateSeries(
        start=table.index[0].to_pydatetime().date(),
        target=table["rail_boardings"].to_numpy(dtype=float),
        past={"bus": table["bus"].to_numpy(dtype=float)},
        future={"day_type": table["day_type"].tolist()},
    )


def load(fetch: Fetch = download) -> SeriesSplit:
    """Days up to 2019-05-31, from `SEQSERVE_DATA` or the public original, cut here.

    Raises `DataUnavailable` where neither can be read, or the original isn't the one known.
    """
    folder = local_folder(NAME)
    if folder is None:
        content = first_part(fetch(ORIGIN, None, "cta_daily_boardings.csv"))
        if sha256(content) != PART_SHA256:
            raise DataUnavailable(f"{ORIGIN} is not the expected file: its rows up to {LAST_DAY} differ")
    else:
        content = read_local(folder, [LOCAL_FILE])[LOCAL_FILE]
    series = parse(content.decode())
    described = TrainingData(
        name="CTA - Ridership - Daily Boarding Totals",
        origin="https://data.cityofchicago.org/d/6iiy-9s97",
        licence="City of Chicago Data Portal terms of use",
        citation="Chicago Transit Authority, City of Chicago Data Portal",
        files={LOCAL_FILE: sha256(content)},
        rows={"days": len(series.target)},
    )
    return SeriesSplit(series, described)


def load_sets() -> list[SeriesSet]:
    """Rail and bus as two plain series, the last fortnight of the training and validation part held out."""
    split = load()
    days = split.series
    series = [Series("rail", days.target), Series("bus", days.past["bus"])]
    return [SeriesSet(NAME, series, "D", season=7, horizon=14, described=split.described)]


def load_file(path: Path) -> CovariateSeries:
    """Any file of the same form, for `evaluate`."""
    return parse(path.read_bytes().decode("utf-8-sig"))
