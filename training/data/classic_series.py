"""Twelve textbook series: airline passengers, temperatures, births, sunspots, sales, robberies, water usage.

Source: R. J. Hyndman, Time Series Data Library; copies of https://github.com/jbrownlee/Datasets.
"""

import io

import pandas as pd

from bundle.manifest import TrainingData
from bundle.tasks.forecast.series import SEASONS, Freq
from training.data.series_set import Series, SeriesSet, counts
from training.data.source import Fetch, download, read_part, sha256

NAME = "classic_series"
ORIGIN = "https://raw.githubusercontent.com/jbrownlee/Datasets/master/{}"
FILES: dict[Freq, dict[str, tuple[int, str]]] = {
    "D": {
        "daily-max-temperatures.csv": (2921, "602443b79e453f8fd49b4d415731aba480441f2aaaede6bbacfcf775078a5ed8"),
        "daily-min-temperatures.csv": (2921, "34d3213527867835f69a3d73b5d26e772b04168408900569a04ffa555fef492c"),
        "daily-total-female-births.csv": (293, "0f6c8dae9d4c3d7f8d42d71dc2f015da70eac04c5dedbb86cecfd05822395f34"),
    },
    "MS": {
        "airline-passengers.csv": (116, "88304c598a8951774c43d7e818e77b9909484b8987d6a33476f7d6a062098779"),
        "monthly-car-sales.csv": (87, "ea8e66bd90d6f101a9d8750c41d2fa9fcb8f0e71a71309aa28de758cb95e82a7"),
        "monthly-mean-temp.csv": (193, "83d5ccc119a581e02b0bf5a77441edbf6de3b329b2bb59131dd8dbec3c487bf4"),
        "monthly-robberies.csv": (95, "460da8012ee4294b4270403805409aa833df48dea46bc258c9151e19aa053d14"),
        "monthly-sunspots.csv": (2257, "625c8ea02f3b5761b75426b6ef34cd8e7c8ba70f31ced50566a19a6d98486de3"),
        "monthly-writing-paper-sales.csv": (118, "8c8f13cf6d6c153947fad1c33d73670fdb6f9a02792d212360438c9e715a47b0"),
        "monthly_champagne_sales.csv": (85, "3e60dcdfae8d978eefe6e6f990fea9982f2fe0b262360b3630fc083d824ed942"),
        "shampoo.csv": (29, "bf465996f6ecce9dfda0226b53396141e0cb387ede8d862ad98911faedfbf676"),
    },
    "YS": {"yearly-water-usage.csv": (64, "928512f9d74bb76af92a46913d557f2fec5abb61db8eb0406fc43ab8cf3cd921")},
}
"""By spacing: lines of the first four fifths, header included, and their checksum."""
HORIZONS: dict[Freq, int] = {"D": 14, "MS": 12, "YS": 6}


def parse(text: str, name: str) -> Series:
    """A date column, whatever its form, and a column of values. Raises `ValueError` for anything else."""
    table = pd.read_csv(io.StringIO(text))
    if len(table.columns) != 2:
        raise ValueError(f"{name}: expected a date and a value a row, not {len(table.columns)} columns")
    return Series(name.removesuffix(".csv"), table.iloc[:, 1].to_numpy(dtype=float))


def load(fetch: Fetch = download) -> list[SeriesSet]:
    """The first four fifths of each, a set per spacing. Raises `DataUnavailable`."""
    sets = []
    for freq, files in FILES.items():
        series, checksums = [], {}
        for name, (num_lines, checksum) in files.items():
            content = read_part(NAME, name, ORIGIN.format(name), num_lines, checksum, fetch)
            series.append(parse(content.decode(), name))
            checksums[name] = sha256(content)
        described = TrainingData(
            name=f"Classic small series, {freq}",
            origin="https://github.com/jbrownlee/Datasets",
            licence="none stated; short factual series reprinted in textbooks",
            citation="Hyndman: Time Series Data Library",
            files=checksums,
            rows=counts(series),
        )
        sets.append(SeriesSet(f"{NAME} {freq}", series, freq, SEASONS[freq], HORIZONS[freq], described))
    return sets
