"""Series as they are sent to rows as a forecaster's graph reads them, with what is to be said of each series."""

import asyncio
import datetime as dt
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.golden import Arrays
from bundle.tasks.forecast.series import (
    DERIVATIONS,
    SEASONS,
    Freq,
    category_codes,
    fixed_codes,
    fixed_contexts,
    freq_code,
    parse_start,
    timestamps,
)
from bundle.tasks.forecast.spec import ForecastSpec, FutureCovariate, PastCovariate
from service.engine.batcher import INLINE_SECONDS
from service.errors import Invalid, Place
from service.tasks.forecast.schema import SeriesInput
from service.tasks.forecast.trajectories import NUM_PATHS

_ONLY_VALUES = {"values"}


@dataclass(slots=True)
class Beside:
    """What the answer to one series needs beside what the graph gives."""

    season: int
    timestamps: list[str] | None
    warnings: list[str]


@dataclass(frozen=True)
class EncodedSeries:
    """Series as the graph reads them, along the first axis of its inputs."""

    rows: Arrays
    codes: Arrays
    """The future covariates of `rows` for all steps asked for, in whole horizons of the model."""
    beside: list[Beside]


async def encode(series: Sequence[SeriesInput], spec: ForecastSpec, horizon: int) -> EncodedSeries:
    """All series of one request. Raises `Invalid` with places that begin with a series' index."""
    rows: dict[str, NDArray[np.generic]] = {}
    rows["history"] = fixed_contexts([one.values for one in series], spec.context_length)
    for covariate in spec.past_covariates:
        sent = [one.past_covariates.get(covariate.name, ()) for one in series]
        rows[f"past_{covariate.name}"] = (
            fixed_contexts(sent, spec.context_length) if any(sent) else np.full_like(rows["history"], np.nan)
        )
    some_infinite = any(np.isinf(contexts).any() for contexts in rows.values())
    num_known = np.isfinite(rows["history"]).sum(axis=1).tolist()
    num_ahead = -(-horizon // spec.horizon) * spec.horizon
    codes = {
        f"future_{covariate.name}": np.zeros((len(series), spec.context_length + num_ahead), dtype=np.int64)
        for covariate in spec.future_covariates
    }
    beside: list[Beside] = []
    beside_values: dict[int, Beside] = {}  # by how many are known: nothing else matters where only values were sent
    places: list[Place] = []
    turn_ends = time.perf_counter() + INLINE_SECONDS
    for index, one in enumerate(series):
        is_bare = one.model_fields_set == _ONLY_VALUES and not some_infinite
        if is_bare and (same := beside_values.get(num_known[index])) is not None:
            beside.append(same)
            continue
        try:
            if some_infinite:
                _refuse_infinite(rows, index)
            own = {name: row[index] for name, row in codes.items()}
            beside.append(_describe(one, spec, horizon, num_known[index], own))
            if is_bare:
                beside_values[num_known[index]] = beside[-1]
        except Invalid as refusal:
            places += [Place((index, *place.loc), place.msg) for place in refusal.places]
        if time.perf_counter() > turn_ends:  # a long horizon takes milliseconds: others get their turn
            await asyncio.sleep(0)
            turn_ends = time.perf_counter() + INLINE_SECONDS
    if places:
        raise Invalid(places)
    rows |= {name: ahead[:, : spec.context_length + spec.horizon] for name, ahead in codes.items()}
    if spec.freq is None:
        rows["freq"] = np.array([[freq_code(one.freq)] for one in series], dtype=np.int64)
    return EncodedSeries(rows, codes, beside)


def _describe(
    series: SeriesInput, spec: ForecastSpec, horizon: int, num_known: int, codes: dict[str, NDArray[np.int64]]
) -> Beside:
    """What is said of one series; its future covariates are written into `codes`. Raises `Invalid`."""
    warnings: list[str] = []
    if num_known == 0:
        message = f"The newest {spec.context_length} values are all null; send some that aren't"
        raise Invalid([Place(("values",), message)])
    freq = spec.freq or series.freq
    season = spec.season or (SEASONS[freq] if freq else 1)
    if num_known < min(2 * season, spec.context_length):
        warnings.append(
            f"only {num_known} of the newest {spec.context_length} values are known; expect a rough forecast"
        )
    start = _start(series, spec)
    _check_past(series, spec, warnings)
    _write_future(series, spec, horizon, start, codes, warnings)
    if spec.freq is None and series.freq is None:
        no_dates = "" if series.start is None else ", and start alone gives no timestamps"
        warnings.append(f"freq was not sent: the season is estimated from the values{no_dates}")
    if horizon > spec.horizon:
        warnings += _iterated(series, spec)
    return Beside(season, _timestamps(series, freq, start, horizon), warnings)


def _refuse_infinite(rows: Arrays, index: int) -> None:
    for name, contexts in rows.items():
        if np.isinf(contexts[index]).any():
            place = ("values",) if name == "history" else ("past_covariates", name.removeprefix("past_"))
            raise Invalid([Place(place, "A value is beyond ±3.4e38, the largest the model can read")])


def _start(series: SeriesInput, spec: ForecastSpec) -> dt.datetime | None:
    if spec.freq is not None and series.freq is not None and series.freq != spec.freq:
        raise Invalid([Place(("freq",), f"This model forecasts series of freq {spec.freq}")])
    if series.start is None:
        return None
    try:
        return parse_start(series.start, spec.freq or series.freq)
    except ValueError as error:
        raise Invalid([Place(("start",), str(error))]) from None


def _check_past(series: SeriesInput, spec: ForecastSpec, warnings: list[str]) -> None:
    _refuse_unknown("past_covariates", series.past_covariates, spec.past_covariates)
    for covariate in spec.past_covariates:
        values = series.past_covariates.get(covariate.name)
        if values is None:
            warnings.append(f"{covariate.name} was not sent and is treated as missing")
        elif len(values) != len(series.values):
            needed = f"{len(series.values)} entries are needed, one for each of values"
            raise Invalid([Place(("past_covariates", covariate.name), needed)])


def _write_future(
    series: SeriesInput,
    spec: ForecastSpec,
    horizon: int,
    start: dt.datetime | None,
    codes: dict[str, NDArray[np.int64]],
    warnings: list[str],
) -> None:
    _refuse_unknown("future_covariates", series.future_covariates, spec.future_covariates)
    num_past = len(series.values)
    for covariate in spec.future_covariates:
        categories = series.future_covariates.get(covariate.name)
        place = ("future_covariates", covariate.name)
        if categories is not None:
            if len(categories) != num_past + horizon:
                needed = f"{num_past + horizon} entries are needed, one for each of values and each step ahead"
                raise Invalid([Place(place, needed)])
            try:
                found = category_codes(categories, covariate.categories)
            except KeyError:
                allowed = ", ".join(covariate.categories)
                raise Invalid([Place(place, f"Each entry must be one of {allowed}, or null")]) from None
        elif covariate.derived_from_dates is not None and start is not None:
            found = _derived(covariate, spec, start, num_past, horizon)
        else:
            remedy = "send it, or start, to have it derived" if covariate.derived_from_dates else "send it"
            warnings.append(f"{covariate.name} was not sent and is treated as missing; {remedy}")
            continue
        row = codes[f"future_{covariate.name}"]
        row[:] = fixed_codes(found, num_past, spec.context_length, len(row) - spec.context_length)


def _derived(
    covariate: FutureCovariate, spec: ForecastSpec, start: dt.datetime, num_past: int, horizon: int
) -> NDArray[np.int64]:
    assert covariate.derived_from_dates is not None
    assert spec.freq is not None
    rule = DERIVATIONS[covariate.derived_from_dates]
    first = max(0, num_past - spec.context_length)  # what is older isn't read
    dates = _points(start, spec.freq, first, num_past + horizon - first)
    unread: list[str | None] = [None] * first
    return category_codes([*unread, *(rule(date) for date in dates)], covariate.categories)


def _points(start: dt.datetime, freq: Freq, first: int, count: int) -> list[dt.datetime]:
    try:
        return timestamps(start, freq, first, count)
    except ValueError as error:
        raise Invalid([Place(("start",), str(error))]) from None


def _iterated(series: SeriesInput, spec: ForecastSpec) -> list[str]:
    """Warnings for steps beyond the model's own horizon."""
    beyond = spec.horizon + 1
    return [
        f"the model looks {spec.horizon} steps ahead: from step {beyond} on the forecast is iterated over {NUM_PATHS} "
        "sampled paths",
        *(
            f"{covariate.name} is not known beyond values: from step {beyond} on it is treated as missing there"
            for covariate in spec.past_covariates
            if covariate.name in series.past_covariates
        ),
    ]


def _refuse_unknown(
    kind: str, sent: Collection[str], taken: Sequence[PastCovariate] | Sequence[FutureCovariate]
) -> None:
    if not sent:
        return
    known = [covariate.name for covariate in taken]
    if unknown := set(sent) - set(known):
        which = f"This model takes {', '.join(known)}" if known else "This model takes none"
        raise Invalid([Place((kind,), f"{len(unknown)} unknown; {which}")])


def _timestamps(series: SeriesInput, freq: Freq | None, start: dt.datetime | None, horizon: int) -> list[str] | None:
    if start is None or series.start is None or freq is None:
        return None
    points = _points(start, freq, len(series.values), horizon)
    date_only = len(series.start) <= len("2019-W01-1") and freq not in {"15min", "30min", "h"}
    return [(point.date() if date_only else point).isoformat() for point in points]
