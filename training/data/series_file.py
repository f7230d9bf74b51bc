"""A file of series, recognised by its form: any file like those of the data sets in `SERIES_SETS`, for `evaluate`."""

import gzip
from pathlib import Path

from bundle.tasks.forecast.series import SEASONS, Freq
from training.data import classic_series, competitions, cta_ridership, ett, exchange_rate, m4
from training.data.series_set import Series, SeriesSet, counts
from training.data.source import described_own_file, sha256


def load_series_file(path: Path) -> list[SeriesSet]:
    """Sets of series of a file like those of a known data set, packed with gzip or not.

    Raises `ValueError` for a file of another form, `OSError` for one that can't be read.
    """
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    text = content.decode("utf-8-sig")
    first, _, rest = text.partition("\n")
    name = path.name.split(".")[0]
    if first.startswith("{"):
        file = competitions.Competition(name, path.name, "own file", "none")
        return competitions.parse(content, file)
    if first.startswith(('"V1"', "V1")):
        of_hours = rest.lstrip('"').startswith("H")
        part = next(part for part in m4.PARTS if (part[1] == "h") == of_hours)
        return [_set(name, m4.parse(text), part[1], part[2], part[3], content)]
    if first.startswith("date,HUFL"):
        freq: Freq = "h" if rest.split("\n")[1].split(",")[0].endswith(":00:00") else "15min"
        return [_set(name, ett.parse(text, name), freq, SEASONS[freq], SEASONS[freq], content)]
    if first.startswith("service_date,"):
        days = cta_ridership.parse(text)
        return [_set(name, [Series("rail", days.target), Series("bus", days.past["bus"])], "D", 7, 14, content)]
    if first.count(",") == len(exchange_rate.COUNTRIES) - 1:
        return [_set(name, exchange_rate.parse(text), "D", 1, 14, content)]
    for spacing, files in classic_series.FILES.items():
        if path.name.removesuffix(".gz") in files:
            series = [classic_series.parse(text, path.name)]
            return [_set(name, series, spacing, SEASONS[spacing], classic_series.HORIZONS[spacing], content)]
    raise ValueError(
        f"{path.name} has the form of none of the known data sets: JSON lines of a competition, the CSV of M4, ETT, "
        "Chicago's boardings or exchange rates, or a classic series under its own name"
    )


def _set(name: str, series: list[Series], freq: Freq, season: int, horizon: int, content: bytes) -> SeriesSet:
    described = described_own_file(name, sha256(content), counts(series))
    return SeriesSet(name, series, freq, season, horizon, described)
