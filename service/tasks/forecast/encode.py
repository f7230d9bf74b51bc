"""Series to rows as a forecaster's graph reads them, with the timestamps and warnings of each series."""

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
from service.errors import FieldError, Invalid
from service.tasks.forecast.schema import Series
from service.tasks.forecast.trajectories import NUM_TRAJECTORIES


@dataclass(slots=True)
class SeriesContext:
    """What the forecast of one series holds beyond the graph's output."""

    season: int
    timestamps: list[str] | None
    warnings: list[str]


@dataclass(frozen=True)
class EncodedSeries:
    """Series as the graph reads them, along the first axis of its inputs."""

    rows: Arrays
    codes: Arrays
    """The future covariates of `rows` for all steps asked for, in whole horizons of the model."""
    contexts: list[SeriesContext]


async def encode(series: Sequence[Series], spec: ForecastSpec, horizon: int) -> EncodedSeries:
    """All series of one request. Raises `Invalid`, field paths beginning with `inputs` and the series' index."""
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
    contexts: list[SeriesContext] = []
    context_by_known: dict[int, SeriesContext] = {}  # of series of which only values were sent
    errors: list[FieldError] = []
    yield_at = time.perf_counter() + INLINE_SECONDS
    for index, one in enumerate(series):
        has_dates = one.start is not None or one.freq is not None
        is_bare = not (some_infinite or has_dates or one.past_covariates or one.future_covariates)
        if is_bare and (same := context_by_known.get(num_known[index])) is not None:
            contexts.append(same)
            continue
        try:
            if some_infinite:
                _refuse_infinite(rows, index)
            own = {name: row[index] for name, row in codes.items()}
            contexts.append(_describe(one, spec, horizon, num_known[index], own))
            if is_bare:
                context_by_known[num_known[index]] = contexts[-1]
        except Invalid as refusal:
            errors += [FieldError(("inputs", index, *error.loc), error.msg) for error in refusal.errors]
        if time.perf_counter() > yield_at:  # a long horizon takes milliseconds: other requests run in between
            await asyncio.sleep(0)
            yield_at = time.perf_counter() + INLINE_SECONDS
    if errors:
        raise Invalid(errors)
    rows |= {name: ahead[:, : spec.context_length + spec.horizon] for name, ahead in codes.items()}
    if spec.freq is None:
        rows["freq"] = np.array([[freq_code(one.freq)] for one in series], dtype=np.int64)
    return EncodedSeries(rows, codes, contexts)


def _describe(
    series: Series, spec: ForecastSpec, horizon: int, num_known: int, codes: dict[str, NDArray[np.int64]]
) -> SeriesContext:
    """Timestamps and warnings of one series; its future covariates are written into `codes`. Raises `Invalid`."""
    warnings: list[str] = []
    if num_known == 0:
        message = f"The newest {spec.context_length} values are all null; send some that aren't"
        raise Invalid([FieldError(("values",), message)])
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
    return SeriesContext(season, _timestamps(series, freq, start, horizon), warnings)


def _refuse_infinite(rows: Arrays, index: int) -> None:
    for name, contexts in rows.items():
        if np.isinf(contexts[index]).any():
            loc = ("values",) if name == "history" else ("past_covariates", name.removeprefix("past_"))
            raise Invalid([FieldError(loc, "A value is beyond ±3.4e38, the largest the model can read")])


def _start(series: Series, spec: ForecastSpec) -> dt.datetime | None:
    if spec.freq is not None and series.freq is not None and series.freq != spec.freq:
        raise Invalid([FieldError(("freq",), f"This model forecasts series of freq {spec.freq}")])
    if series.start is None:
        return None
    try:
        return parse_start(series.start, spec.freq or series.freq)
    except ValueError as error:
        raise Invalid([FieldError(("start",), str(error))]) from None


def _check_past(series: Series, spec: ForecastSpec, warnings: list[str]) -> None:
    _refuse_unknown("past_covariates", series.past_covariates, spec.past_covariates)
    for covariate in spec.past_covariates:
        values = series.past_covariates.get(covariate.name)
        if values is None:
            warnings.append(f"{covariate.name} was not sent and is treated as missing")
        elif len(values) != len(series.values):
            needed = f"{len(series.values)} entries are needed, one for each of values"
            raise Invalid([FieldError(("past_covariates", covariate.name), needed)])


def _write_future(
    series: Series,
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
        loc = ("future_covariates", covariate.name)
        if categories is not None:
            if len(categories) != num_past + horizon:
                needed = f"{num_past + horizon} entries are needed, one for each of values and each step ahead"
                raise Invalid([FieldError(loc, needed)])
            try:
                found = category_codes(categories, covariate.categories)
            except KeyError:
                allowed = ", ".join(covariate.categories)
                raise Invalid([FieldError(loc, f"Each entry must be one of {allowed}, or null")]) from None
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
        raise Invalid([FieldError(("start",), str(error))]) from None


def _iterated(series: Series, spec: ForecastSpec) -> list[str]:
    """Warnings for steps beyond the model's own horizon."""
    beyond = spec.horizon + 1
    return [
        f"the model looks {spec.horizon} steps ahead: from step {beyond} on the forecast is iterated over "
        f"{NUM_TRAJECTORIES} sampled paths",
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
        raise Invalid([FieldError((kind,), f"{len(unknown)} unknown; {which}")])


def _timestamps(series: Series, freq: Freq | None, start: dt.datetime | None, horizon: int) -> list[str] | None:
    if start is None or series.start is None or freq is None:
        return None
    points = _points(start, freq, len(series.values), horizon)
    date_only = len(series.start) <= len("2019-W01-1") and freq not in {"15min", "30min", "h"}
    return [(point.date() if date_only else point).isoformat() for point in points]
