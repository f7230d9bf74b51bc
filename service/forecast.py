"""The slice of forecasting: `POST /forecast` from request model to response."""

import asyncio
import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends
from numpy.typing import NDArray

from bundle.manifest import ForecastSpec, FutureCovariate
from bundle.series import (
    DERIVATIONS,
    SEASONS,
    Freq,
    category_codes,
    fixed_codes,
    fixed_context,
    freq_code,
    interval_levels,
    parse_start,
    quantiles_at,
    timestamps,
)
from service import request_record
from service.batcher import Row
from service.errors import Invalid, Place
from service.forecast_schema import (
    Forecast,
    ForecastRequest,
    ForecastResponse,
    Interval,
    SeriesInput,
    StretchWeight,
    level_name,
)
from service.json_route import JSONRoute
from service.paths import NUM_PATHS, Beginning, prolong
from service.problem import declared
from service.settings import Settings
from service.state import Context, context
from service.stretch_weights import HiddenStretches, hide_stretches, weigh

router = APIRouter(route_class=JSONRoute, tags=["predict"])


@router.post(
    "/forecast",
    summary="Continue series",
    responses=declared(400, 404, 413, 415, 422, 429, 503, 504),
)
async def forecast(payload: ForecastRequest, context: Annotated[Context, Depends(context)]) -> ForecastResponse:
    """Continue one series or many: median and intervals of the next steps, in the series' own units.

    Steps beyond the model's own horizon are iterated over sampled paths, and `warnings` says from which step on.
    With `explain` each stretch of the history is hidden in turn; its weight is its share of how far the medians move.
    """
    record = request_record.current()
    series = payload.all_series()
    check(payload, series, context.settings)
    asked = payload.model, payload.version
    served = context.catalog.find(*asked) or await context.catalog.load(*asked)
    spec = served.manifest.spec
    if not isinstance(spec, ForecastSpec):
        raise Invalid([Place(("model",), "This model labels texts; send it to POST /classify")])
    record.answered_by(served.manifest.name, served.manifest.version, len(series))
    _check_levels(payload.levels, spec)
    encoded, places = [], []
    for index, one in enumerate(series):
        try:
            encoded.append(encode(one, spec, payload.horizon))
        except Invalid as refusal:
            places += [Place((*_root(payload, index), *place.loc), place.msg) for place in refusal.places]
        await asyncio.sleep(0)  # a long horizon takes milliseconds: others get their turn between two series
    if places:
        raise Invalid(places)
    record.lap("encode")
    async with served.batcher.admitted(context.settings.deadline_seconds) as admission:
        hidden = await hide(encoded, context.settings) if payload.explain else []
        rows = [*(one.row for one in encoded), *(row for own in hidden for row in own.without)]
        answers = await admission.submit(rows)
        outputs, without = answers[: len(encoded)], answers[len(encoded) :]
        quantiles = [np.asarray(row["quantiles"][: payload.horizon], dtype=np.float64) for row in outputs]
        _check_finite(payload, quantiles)
        explanations = decode_weights(payload, hidden, quantiles, without)
        if payload.horizon > spec.horizon:
            beginnings = [Beginning(one.row, one.codes, own) for one, own in zip(encoded, quantiles, strict=True)]
            quantiles = await prolong(beginnings, spec, payload.horizon, admission.submit)
            _check_finite(payload, quantiles)
    forecasts = [decode(own, spec, payload.levels, one) for own, one in zip(quantiles, encoded, strict=True)]
    for answer, explanation in zip(forecasts, explanations, strict=False):  # there are none unless asked for
        answer.explanation = explanation
    record.lap("decode")
    return ForecastResponse(
        model=served.manifest.name, version=served.manifest.version, horizon=payload.horizon, forecasts=forecasts
    )


def _root(payload: ForecastRequest, index: int) -> tuple[str | int, ...]:
    """Where series `index` stands in the payload."""
    return () if payload.series is None else ("series", index)


def check(payload: ForecastRequest, series: list[SeriesInput], settings: Settings) -> None:
    """Refuse what is beyond the service's limits. Raises `Invalid`."""
    places = []
    if payload.horizon > settings.max_horizon:
        places.append(Place(("horizon",), f"At most {settings.max_horizon} steps ahead"))
    if len(series) > settings.max_series:
        places.append(Place(("series",), f"At most {settings.max_series} series a request; split the list"))
    else:
        for index, one in enumerate(series):
            if len(one.values) > settings.max_series_points:
                message = f"At most {settings.max_series_points} values a series; send the newest ones"
                places.append(Place((*_root(payload, index), "values"), message))
    if places:
        raise Invalid(places)


def _check_levels(levels: Sequence[float], spec: ForecastSpec) -> None:
    widest = (spec.quantile_levels[-1] - spec.quantile_levels[0]) * 100
    if beyond := [index for index, level in enumerate(levels) if level > widest + 1e-6]:
        raise Invalid([Place(("levels", index), f"This model's widest interval is {widest:g} %") for index in beyond])


def _check_finite(payload: ForecastRequest, quantiles: Sequence[NDArray[np.float64]]) -> None:
    message = "The values are too large or too far apart to be computed with"
    if places := [
        Place((*_root(payload, index), "values"), message)
        for index, own in enumerate(quantiles)
        if not np.isfinite(own).all()
    ]:
        raise Invalid(places)


@dataclass(frozen=True)
class EncodedSeries:
    """One series as the graph reads it, and what its answer needs."""

    row: Row
    codes: Row
    """The future covariates of `row` for all steps asked for, in whole horizons of the model."""
    num_values: int
    season: int
    id: str | None
    timestamps: list[str] | None
    warnings: list[str]


def encode(series: SeriesInput, spec: ForecastSpec, horizon: int) -> EncodedSeries:
    """One series to a row of arrays. Raises `Invalid` with places relative to the series."""
    warnings: list[str] = []
    history = _context(series.values, spec, ("values",))
    num_observed = int(np.isfinite(history).sum())
    if num_observed == 0:
        raise Invalid(
            [Place(("values",), f"The newest {spec.context_length} values are all null; send some that aren't")]
        )
    freq = spec.freq or series.freq
    season = spec.season or (SEASONS[freq] if freq else 1)
    if num_observed < min(2 * season, spec.context_length):
        warnings.append(
            f"only {num_observed} of the newest {spec.context_length} values are known; expect a rough forecast"
        )
    start = _start(series, spec)
    row: dict[str, NDArray[np.generic]] = {"history": history}
    row |= _past(series, spec, warnings)
    codes = _future(series, spec, horizon, start, warnings)
    row |= {name: ahead[: spec.context_length + spec.horizon] for name, ahead in codes.items()}
    if spec.freq is None:
        row |= _spacing(series, warnings)
    if horizon > spec.horizon:
        warnings += _iterated(series, spec)
    dates = _timestamps(series, freq, start, horizon)
    return EncodedSeries(row, codes, len(series.values), season, series.id, dates, warnings)


def _start(series: SeriesInput, spec: ForecastSpec) -> dt.datetime | None:
    if spec.freq is not None and series.freq is not None and series.freq != spec.freq:
        raise Invalid([Place(("freq",), f"This model forecasts series of freq {spec.freq}")])
    if series.start is None:
        return None
    try:
        return parse_start(series.start, spec.freq or series.freq)
    except ValueError as error:
        raise Invalid([Place(("start",), str(error))]) from None


def _past(series: SeriesInput, spec: ForecastSpec, warnings: list[str]) -> dict[str, NDArray[np.generic]]:
    _refuse_unknown("past_covariates", series.past_covariates, [covariate.name for covariate in spec.past_covariates])
    arrays: dict[str, NDArray[np.generic]] = {}
    for covariate in spec.past_covariates:
        values = series.past_covariates.get(covariate.name)
        place = ("past_covariates", covariate.name)
        if values is None:
            warnings.append(f"{covariate.name} was not sent and is treated as missing")
            values = [None] * len(series.values)
        if len(values) != len(series.values):
            raise Invalid([Place(place, f"{len(series.values)} entries are needed, one for each of values")])
        arrays[f"past_{covariate.name}"] = _context(values, spec, place)
    return arrays


def _context(values: Sequence[float | None], spec: ForecastSpec, place: tuple[str, ...]) -> NDArray[np.float32]:
    context = fixed_context(values, spec.context_length)
    if np.isinf(context).any():
        raise Invalid([Place(place, "A value is beyond ±3.4e38, the largest the model can read")])
    return context


def _future(
    series: SeriesInput, spec: ForecastSpec, horizon: int, start: dt.datetime | None, warnings: list[str]
) -> dict[str, NDArray[np.generic]]:
    known = [covariate.name for covariate in spec.future_covariates]
    _refuse_unknown("future_covariates", series.future_covariates, known)
    num_past = len(series.values)
    num_ahead = -(-horizon // spec.horizon) * spec.horizon
    arrays: dict[str, NDArray[np.generic]] = {}
    for covariate in spec.future_covariates:
        categories = series.future_covariates.get(covariate.name)
        place = ("future_covariates", covariate.name)
        if categories is not None:
            if len(categories) != num_past + horizon:
                needed = f"{num_past + horizon} entries are needed, one for each of values and each step ahead"
                raise Invalid([Place(place, needed)])
            try:
                codes = category_codes(categories, covariate.categories)
            except KeyError:
                allowed = ", ".join(covariate.categories)
                raise Invalid([Place(place, f"Each entry must be one of {allowed}, or null")]) from None
        elif covariate.derived_from_dates is not None and start is not None:
            codes = _derived(covariate, spec, start, num_past, horizon)
        else:
            remedy = "send it, or start, to have it derived" if covariate.derived_from_dates else "send it"
            warnings.append(f"{covariate.name} was not sent and is treated as missing; {remedy}")
            codes = np.zeros(num_past + horizon, dtype=np.int64)
        arrays[f"future_{covariate.name}"] = fixed_codes(codes, num_past, spec.context_length, num_ahead)
    return arrays


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


def _spacing(series: SeriesInput, warnings: list[str]) -> dict[str, NDArray[np.generic]]:
    if series.freq is None:
        no_dates = "" if series.start is None else ", and start alone gives no timestamps"
        warnings.append(f"freq was not sent: the season is estimated from the values{no_dates}")
    return {"freq": np.array([freq_code(series.freq)], dtype=np.int64)}


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


def _refuse_unknown(kind: str, sent: dict[str, Any], known: list[str]) -> None:
    if unknown := set(sent) - set(known):
        which = f"This model takes {', '.join(known)}" if known else "This model takes none"
        raise Invalid([Place((kind,), f"{len(unknown)} unknown; {which}")])


def _timestamps(series: SeriesInput, freq: Freq | None, start: dt.datetime | None, horizon: int) -> list[str] | None:
    if start is None or series.start is None or freq is None:
        return None
    points = _points(start, freq, len(series.values), horizon)
    date_only = len(series.start) <= len("2019-W01-1") and freq not in {"15min", "30min", "h"}
    return [(point.date() if date_only else point).isoformat() for point in points]


async def hide(encoded: Sequence[EncodedSeries], settings: Settings) -> list[HiddenStretches]:
    """Each series with each of its stretches hidden. Raises `Invalid` where they are too many for one request."""
    hidden, num_rows = [], 0
    for one in encoded:
        hidden.append(hide_stretches(one.row, one.num_values, one.season))
        num_rows += len(hidden[-1].without)
        if num_rows > (most := settings.max_explained_stretches):
            limit = f"At most {most} stretches of history are explained in one request"
            raise Invalid([Place(("explain",), f"{limit}; send fewer series, or leave explain out")])
        await asyncio.sleep(0)
    return hidden


def decode(
    quantiles: NDArray[np.floating], spec: ForecastSpec, levels: Sequence[float], encoded: EncodedSeries
) -> Forecast:
    """`quantiles[horizon, levels]` of one series to its forecast."""
    wanted = [0.5, *(end for level in levels for end in interval_levels(level))]
    exact = quantiles_at(quantiles.astype(np.float64), spec.quantile_levels, wanted)
    # Seven digits are what float32 holds; rounding is monotone, so the order of the quantiles is kept.
    magnitude = int(np.ceil(np.log10(max(float(np.abs(exact).max()), 1e-30))))
    steps = (np.round(exact, 7 - magnitude) + 0.0).T.tolist()  # no -0.0
    intervals = {
        level_name(level): Interval(lower=steps[1 + 2 * index], upper=steps[2 + 2 * index])
        for index, level in enumerate(levels)
    }
    return Forecast(
        id=encoded.id,
        median=steps[0],
        intervals=intervals,
        timestamps=encoded.timestamps,
        warnings=encoded.warnings,
    )


def decode_weights(
    payload: ForecastRequest,
    hidden: Sequence[HiddenStretches],
    quantiles: Sequence[NDArray[np.float64]],
    without: Sequence[Row],
) -> list[list[StretchWeight]]:
    """Rows of `quantiles[horizon, levels]`, of each series without each stretch in turn, to the stretches' weights."""
    rest = iter(without)
    middle = quantiles[0].shape[1] // 2
    medians = [
        np.array([row["quantiles"][: payload.horizon, middle] for row in itertools.islice(rest, len(own.without))])
        for own in hidden
    ]
    _check_finite(payload, medians)
    return [
        [
            StretchWeight(start=stretch.start, end=stretch.end, weight=weight)
            for stretch, weight in zip(own.stretches, weigh(whole[:, middle], moved, own.scale), strict=True)
        ]
        for own, whole, moved in zip(hidden, quantiles, medians, strict=False)
    ]
