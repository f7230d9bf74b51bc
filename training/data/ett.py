"""Electricity Transformer Temperature: two transformers, seven columns each, hourly and every quarter of an hour.

The quarter-hours are those of the same two years, so the last day is held out of both. Source: H. Zhou et al.,
"Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting", AAAI 2021; CC BY-ND 4.0.
"""

import io

import pandas as pd

from bundle.manifest import TrainingData
from bundle.tasks.forecast.series import SEASONS, Freq
from training.data.series_set import Series, SeriesSet, counts
from training.data.source import Fetch, download, read_part, sha256

NAME = "ett"
ORIGIN = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/{}.csv"
FILES: dict[Freq, dict[str, str]] = {
    "h": {
        "ETTh1": "0ac0ce309049e14728c529a0fa98e682edecf8650331c5b977e5a8dc3636b3b0",
        "ETTh2": "b3609c990d57344f0e186ea337c077453dc1b83fdb6b36952537b5a8bf5fed0a",
    },
    "15min": {
        "ETTm1": "d22fb3d91001b7328cdb2c171cbe14a7977aee8d736d451f566f813b53541074",
        "ETTm2": "904e20ae702d1f9cf148c270dfa237240b242f83898e1f66f9a24a23384d487c",
    },
}
NUM_LINES = {"h": 11_521, "15min": 46_081}
"""Header and the rows of training and validation: 16 months of 30 days."""


def parse(text: str, name: str) -> list[Series]:
    """A series a column. Raises `ValueError` for a file of another form."""
    table = pd.read_csv(io.StringIO(text))
    if table.columns[0] != "date" or len(table.columns) < 2:
        raise ValueError(f"{name}: expected the columns date, HUFL, HULL, MUFL, MULL, LUFL, LULL, OT")
    start = pd.Timestamp(table["date"].iloc[0]).to_pydatetime()
    return [Series(f"{name} {column}", table[column].to_numpy(dtype=float), start) for column in table.columns[1:]]


def load(fetch: Fetch = download) -> list[SeriesSet]:
    """The hourly and the quarter-hourly set. Raises `DataUnavailable`."""
    sets = []
    for freq, files in FILES.items():
        series, checksums = [], {}
        for name, checksum in files.items():
            content = read_part(NAME, f"{name}.csv.gz", ORIGIN.format(name), NUM_LINES[freq], checksum, fetch)
            series += parse(content.decode(), name)
            checksums[f"{name}.csv"] = sha256(content)
        described = TrainingData(
            name=f"Electricity Transformer Temperature, {freq}",
            origin="https://github.com/zhouhaoyi/ETDataset",
            licence="CC BY-ND 4.0",
            citation="Zhou et al.: Informer, AAAI 2021",
            files=checksums,
            rows=counts(series),
        )
        sets.append(SeriesSet(f"ett {freq}", series, freq, SEASONS[freq], SEASONS[freq], described))
    return sets
