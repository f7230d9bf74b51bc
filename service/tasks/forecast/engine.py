"""Series in, forecasts out: a forecaster in memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.golden import Arrays, Run
from bundle.tasks.forecast.series import interval_levels, quantiles_at
from bundle.tasks.forecast.spec import ForecastSpec
from service.engine.admission import Admission
from service.engine.batcher import Batcher, BatchStats
from service.engine.columns import ColumnEngine, Columns
from service.errors import FieldError, Invalid
from service.settings import Settings
from service.tasks.forecast.encode import EncodedSeries, SeriesContext, encode
from service.tasks.forecast.explanation import HiddenSegments, hide_segments, weigh
from service.tasks.forecast.metrics import ForecasterMetrics
from service.tasks.forecast.schema import Forecast, ForecastOptions, SegmentWeight, Series, level_name
from service.tasks.forecast.trajectories import KnownSteps, Quantiles, forecast_recursively
from service.tasks.task import Resources
from service.telemetry.request_record import RequestRecord


@dataclass(eq=False)
class Forecaster:
    """One forecaster in memory."""

    spec: ForecastSpec
    assets: None
    run: Run
    stats: BatchStats
    metrics: ForecasterMetrics
    resources: Resources

    def __post_init__(self) -> None:
        inference, limits = self.resources.inference, self.resources.limits
        self.batcher: Batcher[Columns, Columns] = Batcher(ColumnEngine(self.run), inference, limits, self.stats)

    async def answer(
        self, series: Sequence[Series], options: ForecastOptions, admission: Admission, identity: RequestRecord
    ) -> list[Forecast]:
        """The forecasts of series, in order; see `Engine` of `service.tasks.task`."""
        spec, horizon = self.spec, options.horizon
        _check_levels(options.levels, spec)
        encoded = await encode(series, spec, horizon)
        identity.lap("encode")

        async def compute(arrays: Arrays) -> Quantiles:
            rows = Columns(arrays)
            identity.charge_rows(len(rows))
            return (await self.batcher.submit(rows, admission.deadline, identity)).arrays["quantiles"]

        hidden = await hide(encoded, series, self.resources.settings) if options.explain else []
        answered = await compute(with_hidden(encoded.rows, hidden))
        answers = answered[:, :horizon].astype(np.float64)
        quantiles = answers[: len(series)]
        _check_finite(quantiles)
        explanations = decode_weights(hidden, quantiles, answers[len(series) :])
        if horizon > spec.horizon:
            quantiles = await forecast_recursively(known_steps(encoded, quantiles), spec, horizon, compute)
            _check_finite(quantiles)
        forecasts = decode(quantiles, spec, options.levels, series, encoded.contexts)
        for forecast, explanation in zip(forecasts, explanations, strict=False):  # there are none unless asked for
            forecast["explanation"] = explanation
        return forecasts


def check(series: Sequence[Series], options: ForecastOptions, settings: Settings) -> None:
    """Raises `Invalid` beyond the service's limits."""
    errors = []
    if options.horizon > settings.max_horizon:
        errors.append(FieldError(("horizon",), f"At most {settings.max_horizon} steps ahead"))
    if len(series) > settings.max_series:
        errors.append(FieldError(("inputs",), f"At most {settings.max_series} series a request; split the list"))
    else:
        limit = settings.max_series_points
        errors += [
            FieldError(("inputs", index, "values"), f"At most {limit} values a series; send the newest ones")
            for index, one in enumerate(series)
            if len(one.values) > limit
        ]
    if errors:
        raise Invalid(errors)


def _check_levels(levels: Sequence[float], spec: ForecastSpec) -> None:
    widest = (spec.quantile_levels[-1] - spec.quantile_levels[0]) * 100
    if beyond := [index for index, level in enumerate(levels) if level > widest + 1e-6]:
        raise Invalid(
            [FieldError(("levels", index), f"This model's widest interval is {widest:g} %") for index in beyond]
        )


def _check_finite(answers: Sequence[NDArray[np.floating]] | NDArray[np.floating]) -> None:
    """Raises `Invalid` with the series that have something among their answers which is no number."""
    if isinstance(answers, np.ndarray) and np.isfinite(answers).all():
        return  # all at once takes less time than one by one
    message = "The values are too large or too far apart to be computed with"
    if errors := [
        FieldError(("inputs", index, "values"), message)
        for index, own in enumerate(answers)
        if not np.isfinite(own).all()
    ]:
        raise Invalid(errors)


async def hide(encoded: EncodedSeries, series: Sequence[Series], settings: Settings) -> list[HiddenSegments]:
    """Each series with each of its segments hidden. Raises `Invalid` where they are too many for one request."""
    hidden, num_rows = [], 0
    histories = encoded.rows["history"].astype(np.float32, copy=False)
    for history, one, context in zip(histories, series, encoded.contexts, strict=True):
        hidden.append(hide_segments(history, len(one.values), context.season))
        num_rows += len(hidden[-1].without)
        if num_rows > (most := settings.max_explained_stretches):
            limit = f"At most {most} segments of history are explained in one request"
            raise Invalid([FieldError(("explain",), f"{limit}; send fewer series, or leave explain out")])
        await asyncio.sleep(0)
    return hidden


def with_hidden(rows: Arrays, hidden: Sequence[HiddenSegments]) -> Arrays:
    """Rows, followed by, of each in turn, the same row without each of its segments."""
    if not hidden:
        return rows
    counts = [len(own.without) for own in hidden]
    more = {name: np.repeat(array, counts, axis=0) for name, array in rows.items()}
    more["history"] = np.concatenate([own.without for own in hidden])
    return {name: np.concatenate([array, more[name]]) for name, array in rows.items()}


def known_steps(encoded: EncodedSeries, quantiles: NDArray[np.float64]) -> list[KnownSteps]:
    """What recursive forecasting begins with, of each series; `quantiles` are `[series, horizon, levels]`."""
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
    series: Sequence[Series],
    contexts: Sequence[SeriesContext],
) -> list[Forecast]:
    """`quantiles[series, horizon, levels]` to the forecast of each series."""
    wanted = [0.5, *(end for level in levels for end in interval_levels(level))]
    steps = _round(quantiles_at(quantiles, spec.quantile_levels, wanted)).transpose(0, 2, 1).tolist()
    ends = [(level_name(level), 2 * index + 1, 2 * index + 2) for index, level in enumerate(levels)]
    forecasts = []
    for own_steps, sent, own in zip(steps, series, contexts, strict=True):
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
    """Each series of `[series, …]` to seven digits of its largest number, as float32 holds; keeps the order."""
    largest = np.maximum(np.abs(exact).max(axis=(1, 2)), 1e-30)
    decimals = 7 - np.ceil(np.log10(largest)).astype(int)
    rounded = np.empty_like(exact)
    for same in set(decimals.tolist()):
        rounded[decimals == same] = np.round(exact[decimals == same], same)
    return rounded + 0.0  # no -0.0


def decode_weights(
    hidden: Sequence[HiddenSegments], quantiles: NDArray[np.float64], without: NDArray[np.float64]
) -> list[list[SegmentWeight]]:
    """Weights of the segments of each series; `hidden` is empty where no explanation is asked for.

    `quantiles` are `[series, horizon, levels]`, with the whole history; `without` `[segments, horizon, levels]`.
    """
    middle = quantiles.shape[2] // 2
    without_each = np.split(without[:, :, middle], np.cumsum([len(own.without) for own in hidden]))[:-1]
    _check_finite(without_each)
    return [
        [
            {"start": segment.start, "end": segment.end, "weight": weight}
            for segment, weight in zip(own.segments, weigh(whole[:, middle], moved, own.scale), strict=True)
        ]
        for own, whole, moved in zip(hidden, quantiles, without_each, strict=False)
    ]
