"""Daily exchange rates of eight countries, 1990 to 2010: random walks, which nothing beats by much.

Source: G. Lai, W.-C. Chang, Y. Yang, H. Liu, "Modeling Long- and Short-Term Temporal Patterns with Deep Neural
Networks", SIGIR 2018.
"""

import io

import numpy as np

from bundle.manifest import TrainingData
from training.data.series_set import Series, SeriesSet, counts
from training.data.source import Fetch, download, read_part, sha256

NAME = "exchange_rate"
ORIGIN = "https://raw.githubusercontent.com/laiguokun/multivariate-time-series-data/master/exchange_rate/exchange_rate.txt.gz"
NUM_LINES = 6_070
PART_SHA256 = "d00a23fbb4879ab450e9077cad0d98448916a8b9960d64139e55650a6cc9654d"
COUNTRIES = ("Australia", "Britain", "Canada", "Switzerland", "China", "Japan", "New Zealand", "Singapore")


def parse(text: str) -> list[Series]:
    """A series a country. Raises `ValueError` where a row doesn't hold eight numbers."""
    table = np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2)
    if table.shape[1] != len(COUNTRIES):
        raise ValueError(f"expected {len(COUNTRIES)} numbers a row, not {table.shape[1]}")
    return [Series(country, column) for country, column in zip(COUNTRIES, table.T, strict=True)]


def load(fetch: Fetch = download) -> list[SeriesSet]:
    """The first four fifths. Raises `DataUnavailable`."""
    content = read_part(NAME, "exchange_rate.txt.gz", ORIGIN, NUM_LINES, PART_SHA256, fetch)
    series = parse(content.decode())
    described = TrainingData(
        name="Daily exchange rates of eight countries",
        origin="https://github.com/laiguokun/multivariate-time-series-data",
        licence="none stated",
        citation="Lai et al., SIGIR 2018",
        files={"exchange_rate.txt": sha256(content)},
        rows=counts(series),
    )
    return [SeriesSet("exchange_rate", series, "D", season=1, horizon=14, described=described)]
