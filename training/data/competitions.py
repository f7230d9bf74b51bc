"""Forecasting competitions published as R packages: M1, M3, tourism and NN5, a set per spacing.

Read from `SEQSERVE_DATA` alone, as JSON lines `{"id", "period", "h", "x"}` of the training values: the originals are in
R's own format. Sources: S. Makridakis et al., "The accuracy of extrapolation (time series) methods", Journal of
Forecasting 1, 1982; S. Makridakis, M. Hibon, "The M3-Competition", International Journal of Forecasting 16, 2000; G.
Athanasopoulos et al., "The tourism forecasting competition", ibid. 27, 2011; S. Crone, NN5 competition, 2008.
"""

import gzip
import json
from dataclasses import dataclass
from functools import partial

import numpy as np

from bundle.manifest import TrainingData
from bundle.tasks.forecast.series import SEASONS, Freq
from training.data.series_set import Series, SeriesSet, counts
from training.data.source import DataUnavailable, local_folder, read_local, sha256

FREQ_OF_PERIOD: dict[str, Freq | None] = {
    "YEARLY": "YS",
    "QUARTERLY": "QS",
    "MONTHLY": "MS",
    "DAILY": "D",
    "OTHER": None,
}
FILE = "train.jsonl.gz"


@dataclass(frozen=True)
class Competition:
    """Where a competition comes from."""

    name: str
    title: str
    origin: str
    citation: str


COMPETITIONS = (
    Competition("m1", "M1 competition", "https://github.com/robjhyndman/Mcomp (data/M1.rda)", "Makridakis et al. 1982"),
    Competition("m3", "M3 competition", "https://github.com/robjhyndman/Mcomp (data/M3.rda)", "Makridakis, Hibon 2000"),
    Competition(
        "tourism",
        "Tourism forecasting competition",
        "https://github.com/ellisp/Tcomp-r-package (pkg/data/tourism.rda)",
        "Athanasopoulos et al. 2011",
    ),
    Competition("nn5", "NN5 competition", "https://github.com/robjhyndman/tscompdata (data/nn5.rda)", "Crone 2008"),
)


def parse(content: bytes, competition: Competition) -> list[SeriesSet]:
    """Sets of one spacing and horizon each, in the order of the file. Raises `ValueError` naming a malformed line."""
    groups: dict[tuple[str, int], list[Series]] = {}
    for number, line in enumerate(content.decode().splitlines(), start=1):
        try:
            row = json.loads(line)
            series = Series(str(row["id"]), np.array(row["x"], dtype=np.float64))
            groups.setdefault((row["period"], int(row["h"])), []).append(series)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f'line {number}: expected {{"id", "period", "h", "x"}} with numbers or null in x'
            ) from error
        if row["period"] not in FREQ_OF_PERIOD:
            raise ValueError(f"line {number}: period must be one of {', '.join(FREQ_OF_PERIOD)}")
    return [_set(competition, sha256(content), *group, series) for group, series in groups.items()]


def _set(competition: Competition, checksum: str, period: str, horizon: int, series: list[Series]) -> SeriesSet:
    freq = FREQ_OF_PERIOD[period]
    return SeriesSet(
        name=f"{competition.name} {period.lower()}",
        series=series,
        freq=freq,
        season=SEASONS[freq] if freq else 1,
        horizon=horizon,
        described=TrainingData(
            name=f"{competition.title}, {period.lower()} series",
            origin=competition.origin,
            licence="none stated by the organisers; published for research",
            citation=competition.citation,
            files={"train.jsonl": checksum},
            rows=counts(series),
        ),
    )


def load(competition: Competition) -> list[SeriesSet]:
    """The training part. Raises `DataUnavailable` without `SEQSERVE_DATA`."""
    folder = local_folder(competition.name)
    if folder is None:
        raise DataUnavailable(
            f"{competition.title} is published at {competition.origin} in R's own format: write one JSON object a "
            f'series, {{"id", "period", "h", "x"}}, into {competition.name}/{FILE}, and set SEQSERVE_DATA to the '
            "folder above it"
        )
    return parse(gzip.decompress(read_local(folder, [FILE])[FILE]), competition)


LOADERS = {competition.name: partial(load, competition) for competition in COMPETITIONS}
