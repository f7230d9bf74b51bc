"""M4 competition: 414 hourly and 359 weekly series.

Source: S. Makridakis, E. Spiliotis, V. Assimakopoulos, "The M4 Competition: 100,000 time series and 61 forecasting
methods", International Journal of Forecasting 36, 2020.
"""

import csv

import numpy as np

from bundle.manifest import TrainingData
from bundle.tasks.forecast.series import Freq
from training.data.series_set import Series, SeriesSet, counts
from training.data.source import Fetch, download, read_part, sha256

NAME = "m4"
ORIGIN = "https://raw.githubusercontent.com/Mcompetitions/M4-methods/master/Dataset/Train/{}-train.csv"
PARTS: tuple[tuple[str, Freq, int, int, int, str], ...] = (
    ("Hourly", "h", 24, 48, 415, "ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f"),
    ("Weekly", "W", 1, 13, 360, "d478d3f6ed673e6ed3c2cb0fbed5425f72eedd51318ebebeb0b5ecfcefc37714"),
)
"""Name, spacing, season and horizon of the competition's measures, lines, checksum."""


def parse(text: str) -> list[Series]:
    """Read the competition's CSV: an id, then the values; rows are filled up with empty cells on the right.

    Raises `ValueError` naming the line that isn't of that form.
    """
    rows = csv.reader(text.splitlines())
    if (next(rows, None) or [""])[0] != "V1":
        raise ValueError("line 1: expected the header V1, V2, …")
    series = []
    for number, (name, *cells) in enumerate(rows, start=2):
        try:
            values = np.array([float(cell) if cell not in {"", "NA"} else np.nan for cell in cells])
        except ValueError as error:
            raise ValueError(f"line {number}: expected numbers: {error}") from error
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            raise ValueError(f"line {number}: {name} has no value")
        series.append(Series(name, values[: known[-1] + 1]))
    return series


def load(fetch: Fetch = download) -> list[SeriesSet]:
    """Hourly and weekly series of the training part. Raises `DataUnavailable`."""
    sets = []
    for name, freq, season, horizon, num_lines, checksum in PARTS:
        content = read_part(NAME, f"{name}-train.csv.gz", ORIGIN.format(name), num_lines, checksum, fetch)
        series = parse(content.decode())
        described = TrainingData(
            name=f"M4 competition, {name.lower()} series",
            origin="https://github.com/Mcompetitions/M4-methods",
            licence="none stated by the organisers; published for research",
            citation="Makridakis, Spiliotis, Assimakopoulos: The M4 Competition, 2020",
            files={f"{name}-train.csv": sha256(content)},
            rows=counts(series),
        )
        sets.append(SeriesSet(f"m4 {name.lower()}", series, freq, season, horizon, described))
    return sets
