"""The slice of forecasting: `POST /forecast` from request model to response."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends
from numpy.typing import NDArray

from bundle.golden import Arrays
from bundle.tasks.forecast.series import interval_levels, quantiles_at
from bundle.tasks.forecast.spec import ForecastSpec
from service.catalog.loader import Forecaster
from service.engine.admission import Admission, deadline_of
from service.errors import Invalid, Place
from service.http.model_route import ModelRoute
from service.http.problem import declared
from service.settings import Settings
from service.state import Context, context
from service.tasks.forecast.encode import Beside, EncodedSeries, encode
from service.tasks.forecast.engine import Columns, Quantiles
from service.tasks.forecast.explanation import HiddenSegments, hide_segments, weigh
from service.tasks.forecast.schema import (
    Forecast,
    ForecastRequest,
    ForecastResponse,
    SegmentWeight,
    SeriesInput,
    level_name,
)
from service.tasks.forecast.trajectories import KnownSteps, forecast_recursively
from service.telemetry import request_record

router = APIRouter(route_class=ModelRoute, tags=["predict"])


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
    record, deadline = request_record.current(), deadline_of(context.settings)
    series = payload.all_series()
    check(payload, series, context.settings)
    asked = payload.model, payload.version
    served = context.catalog.find(*asked) or await context.catalog.load(*asked, deadline)
    if not isinstance(served, Forecaster):
        raise Invalid([Place(("model",), "This model labels texts; send it to POST /classify")])
    spec = served.spec
    record.answered_by(served.manifest.name, served.manifest.version, len(series))
    _check_levels(payload.levels, spec)
    try:
        encoded = await encode(series, spec, payload.horizon)
    except Invalid as refusal:
        raise _within(payload, refusal) from None
    record.lap("encode")
    with Admission(served.batcher, deadline, len(series)) as admission:

        async def ask(arrays: Arrays) -> Quantiles:
            rows = Columns(arrays)
            record.charge_rows(len(rows))
            return await served.batcher.submit(rows, admission.deadline)

        hidden = await hide(encoded, series, context.settings) if payload.explain else []
        answered = await ask(with_hidden(encoded.rows, hidden))
        answers = answered[:, : payload.horizon].astype(np.float64)
        quantiles = answers[: len(series)]
        _check_finite(payload, quantiles)
        explanations = decode_weights(payload, hidden, quantiles, answers[len(series) :])
        if payload.horizon > spec.horizon:
            quantiles = await forecast_recursively(beginnings(encoded, quantiles), spec, payload.horizon, ask)
            _check_finite(payload, quantiles)
    forecasts = decode(quantiles, spec, payload.levels, series, encoded.beside)
    for answer, explanation in zip(forecasts, explanations, strict=False):  # there are none unless asked for
        answer["explanation"] = explanation
    record.lap("decode")
    return {
        "model": served.manifest.name,
        "version": served.manifest.version,
        "horizon": payload.horizon,
        "forecasts": forecasts,
    }


def _root(payload: ForecastRequest, index: int) -> tuple[str | int, ...]:
    """Where series `index` stands in the payload."""
    return () if payload.series is None else ("series", index)


def _within(payload: ForecastRequest, refusal: Invalid) -> Invalid:
    """Places that begin with a series' index, as places in the payload."""
    return Invalid([Place((*_root(payload, int(place.loc[0])), *place.loc[1:]), place.msg) for place in refusal.places])


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


def _check_finite(payload: ForecastRequest, answers: Sequence[NDArray[np.floating]] | NDArray[np.floating]) -> None:
    """Refuse the series that have something among their answers which is no number. Raises `Invalid`."""
    if isinstance(answers, np.ndarray) and np.isfinite(answers).all():
        return  # all at once takes less time than one by one
    message = "The values are too large or too far apart to be computed with"
    if places := [
        Place((*_root(payload, index), "values"), message)
        for index, own in enumerate(answers)
        if not np.isfinite(own).all()
    ]:
        raise Invalid(places)


async def hide(encoded: EncodedSeries, series: Sequence[SeriesInput], settings: Settings) -> list[HiddenSegments]:
    """Each series with each of its stretches hidden. Raises `Invalid` where they are too many for one request."""
    hidden, num_rows = [], 0
    histories = encoded.rows["history"].astype(np.float32, copy=False)
    for history, one, beside in zip(histories, series, encoded.beside, strict=True):
        hidden.append(hide_segments(history, len(one.values), beside.season))
        num_rows += len(hidden[-1].without)
        if num_rows > (most := settings.max_explained_stretches):
            limit = f"At most {most} stretches of history are explained in one request"
            raise Invalid([Place(("explain",), f"{limit}; send fewer series, or leave explain out")])
        await asyncio.sleep(0)
    return hidden


def with_hidden(rows: Arrays, hidden: Sequence[HiddenSegments]) -> Arrays:
    """Rows, and behind them, of each in turn, the same row without each of its stretches."""
    if not hidden:
        return rows
    counts = [len(own.without) for own in hidden]
    more = {name: np.repeat(array, counts, axis=0) for name, array in rows.items()}
    more["history"] = np.concatenate([own.without for own in hidden])
    return {name: np.concatenate([array, more[name]]) for name, array in rows.items()}


def beginnings(encoded: EncodedSeries, quantiles: NDArray[np.float64]) -> list[KnownSteps]:
    """What is known of each series before it is prolonged; `quantiles` are `[series, horizon, levels]`."""
    return [
        KnownSteps(
            row={name: array[index] for name, array in encoded.rows.items()},
            codes={name: array[index] for name, array in encoded.codes.items()},
            quantiles=own,
        )
        for index, own in enumerate(quantiles)
    ]


def decode(
    quantiles: NDArray[np.float64],
    spec: ForecastSpec,
    levels: Sequence[float],
    series: Sequence[SeriesInput],
    beside: Sequence[Beside],
) -> list[Forecast]:
    """`quantiles[series, horizon, levels]` to the forecast of each series."""
    wanted = [0.5, *(end for level in levels for end in interval_levels(level))]
    steps = _round(quantiles_at(quantiles, spec.quantile_levels, wanted)).transpose(0, 2, 1).tolist()
    ends = [(level_name(level), 2 * index + 1, 2 * index + 2) for index, level in enumerate(levels)]
    forecasts = []
    for own_steps, sent, own in zip(steps, series, beside, strict=True):
        answer: Forecast = {
            "median": own_steps[0],
            "intervals": {name: {"lower": own_steps[lower], "upper": own_steps[upper]} for name, lower, upper in ends},
            "warnings": own.warnings,
        }
        if sent.id is not None:
            answer["id"] = sent.id
        if own.timestamps is not None:
            answer["timestamps"] = own.timestamps
        forecasts.append(answer)
    return forecasts


def _round(exact: NDArray[np.floating]) -> NDArray[np.floating]:
    """Each series of `[series, …]` to seven digits of its largest number, which is what float32 holds.

    Rounding is monotone, so the order of the quantiles is kept.
    """
    largest = np.maximum(np.abs(exact).max(axis=(1, 2)), 1e-30)
    decimals = 7 - np.ceil(np.log10(largest)).astype(int)
    rounded = np.empty_like(exact)
    for same in set(decimals.tolist()):
        rounded[decimals == same] = np.round(exact[decimals == same], same)
    return rounded + 0.0  # no -0.0


def decode_weights(
    payload: ForecastRequest,
    hidden: Sequence[HiddenSegments],
    quantiles: NDArray[np.float64],
    without: NDArray[np.float64],
) -> list[list[SegmentWeight]]:
    """Weights of the stretches of each series.

    Args:
        payload: what was asked.
        hidden: of each series; empty where no explanation is asked for.
        quantiles: `[series, horizon, levels]`, with the whole history.
        without: `[stretches, horizon, levels]`, without each stretch of each series in turn.
    """
    middle = quantiles.shape[2] // 2
    without_each = np.split(without[:, :, middle], np.cumsum([len(own.without) for own in hidden]))[:-1]
    _check_finite(payload, without_each)
    return [
        [
            {"start": stretch.start, "end": stretch.end, "weight": weight}
            for stretch, weight in zip(own.stretches, weigh(whole[:, middle], moved, own.scale), strict=True)
        ]
        for own, whole, moved in zip(hidden, quantiles, without_each, strict=False)
    ]
