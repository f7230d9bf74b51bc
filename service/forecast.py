"""The slice of forecasting: `POST /forecast` from request model to response."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bundle.manifest import ForecastSpec, FutureCovariate
from bundle.series import (
    DERIVATIONS,
    Freq,
    category_codes,
    fixed_codes,
    fixed_context,
    interval_levels,
    parse_start,
    quantiles_at,
    timestamps,
)
from service.batcher import Row
from service.errors import Invalid, Place
from service.payload import JSONRoute
from service.problem import declared
from service.schema import RequestModel
from service.settings import Settings
from service.state import Context, context

Number = Annotated[float, Field(allow_inf_nan=False)]
Values = Annotated[list[Number | None], Field(min_length=1, fail_fast=True)]
MAX_COVARIATES = 100
"""Covariates of one series, known to the model or not."""


def _few(covariates: Any) -> Any:
    if isinstance(covariates, dict) and len(covariates) > MAX_COVARIATES:
        raise ValueError(f"at most {MAX_COVARIATES} covariates a series")
    return covariates


PastCovariates = Annotated[dict[str, Annotated[list[Number | None], Field(fail_fast=True)]], BeforeValidator(_few)]
FutureCovariates = Annotated[dict[str, Annotated[list[str | None], Field(fail_fast=True)]], BeforeValidator(_few)]
Level = Annotated[float, Field(gt=0, le=95, allow_inf_nan=False)]
Levels = Annotated[list[Level], Field(max_length=20, fail_fast=True)]

EXAMPLE_VALUES = [
    [717818, 724305, 736055, 756405, 717195, 394823, 275711],
    [736301, 763437, 758602, 771125, 722338, 399402, 301522],
]
"""Two weeks of weekdays, a Saturday and a Sunday, of the size of Chicago's rail boardings: made up, not data."""


class SeriesInput(RequestModel):
    """One series, with what is known beside it."""

    values: Values = Field(description="the history, oldest first, in the series' own units; null is a missing value")
    id: str | None = Field(None, max_length=200, description="given back with the forecast")
    start: str | None = Field(None, max_length=40, description="ISO 8601 date or time of the first value")
    freq: Freq | None = Field(None, description="spacing of the values, by its pandas name")
    past_covariates: PastCovariates = Field({}, description="further series known up to now, each as long as `values`")
    future_covariates: FutureCovariates = Field(
        {}, description="categories known ahead, each as long as `values` plus the horizon; null is unknown"
    )


class ForecastRequest(RequestModel):
    """Series and the model that is to continue them; `values` and its companions are short for one series."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "ridership",
                    "series": [
                        {
                            "id": "rail",
                            "values": [*EXAMPLE_VALUES[0], *EXAMPLE_VALUES[1]],
                            "start": "2019-01-07",
                            "freq": "D",
                        }
                    ],
                    "horizon": 7,
                    "levels": [80, 95],
                },
                {"model": "ridership", "values": [*EXAMPLE_VALUES[0], None, *EXAMPLE_VALUES[1][1:]]},
            ]
        },
    )

    model: str = Field(description="alias or name of a forecaster; GET /models lists them")
    version: int | None = Field(None, description="ask for one version; default: the one in service")
    series: Annotated[list[SeriesInput], Field(min_length=1, fail_fast=True)] | None = None
    horizon: int = Field(1, ge=1, description="steps ahead")
    levels: Levels = Field([80, 95], description="central intervals, in percent")
    explain: bool = Field(False, description="which history mattered; not available in this release")
    values: Values | None = None
    id: str | None = Field(None, max_length=200)
    start: str | None = Field(None, max_length=40)
    freq: Freq | None = None
    past_covariates: PastCovariates = Field({})
    future_covariates: FutureCovariates = Field({})

    @model_validator(mode="after")
    def _series_or_values(self) -> "ForecastRequest":
        if (self.series is None) == (self.values is None):
            raise ValueError("send either `series`, a list, or `values` for one series")
        stray = self.model_fields_set & {"id", "start", "freq", "past_covariates", "future_covariates"}
        if self.series is not None and stray:
            raise ValueError(f"`{min(stray)}` belongs inside the entries of `series`")
        if len(set(self.levels)) != len(self.levels):
            raise ValueError("`levels` repeat")
        return self

    def all_series(self) -> list[SeriesInput]:
        """The series asked for, the short form included."""
        if self.series is not None:
            return self.series
        assert self.values is not None
        return [
            SeriesInput.model_construct(
                values=self.values,
                id=self.id,
                start=self.start,
                freq=self.freq,
                past_covariates=self.past_covariates,
                future_covariates=self.future_covariates,
            )
        ]


class Interval(BaseModel):
    """Ends of a central interval, one entry a step."""

    lower: list[float]
    upper: list[float]


class Forecast(BaseModel):
    """The next steps of one series, in its own units."""

    id: str | None = Field(None, description="as sent")
    median: list[float]
    intervals: dict[str, Interval] = Field(
        description="by level in percent; lower ≤ median ≤ upper, wider ones contain"
    )
    timestamps: list[str] | None = Field(None, description="of the steps, where `start` was sent")
    warnings: list[str] = Field(description="what was missing and treated so")


class ForecastResponse(BaseModel):
    """One forecast per series, in order, and which version gave them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "ridership-wavenet",
                    "version": 1,
                    "horizon": 1,
                    "forecasts": [
                        {
                            "id": "rail",
                            "median": [741120.4],
                            "intervals": {"80": {"lower": [709800.1], "upper": [760204.9]}},
                            "timestamps": ["2019-01-21"],
                            "warnings": ["bus was not sent and is treated as missing"],
                        }
                    ],
                }
            ]
        }
    )

    model: str = Field(description="name of the bundle that answered")
    version: int
    horizon: int
    forecasts: list[Forecast]


router = APIRouter(route_class=JSONRoute, tags=["predict"])


@router.post(
    "/forecast",
    summary="Continue series",
    responses=declared(400, 404, 413, 415, 422, 429, 503, 504),
    response_model_exclude_none=True,
)
async def forecast(payload: ForecastRequest, context: Annotated[Context, Depends(context)]) -> ForecastResponse:
    """Continue one series or many: median and intervals of the next steps, in the series' own units."""
    series = payload.all_series()
    check(payload, series, context.settings)
    served = context.catalog.find(payload.model, payload.version)
    spec = served.manifest.spec
    if not isinstance(spec, ForecastSpec):
        raise Invalid([Place(("model",), "This model labels texts; send it to POST /classify")])
    if payload.horizon > spec.horizon:
        raise Invalid([Place(("horizon",), f"This model forecasts up to {spec.horizon} steps ahead")])
    _check_levels(payload.levels, spec)
    encoded, places = [], []
    for index, one in enumerate(series):
        try:
            encoded.append(encode(one, spec, payload.horizon))
        except Invalid as refusal:
            places += [Place((*_root(payload, index), *place.loc), place.msg) for place in refusal.places]
    if places:
        raise Invalid(places)
    async with served.batcher.admitted(context.settings.deadline_seconds):
        outputs = await served.batcher.submit([one.row for one in encoded])
    forecasts = []
    for index, (row, ready) in enumerate(zip(outputs, encoded, strict=True)):
        quantiles = row["quantiles"][: payload.horizon]
        if not np.isfinite(quantiles).all():
            place = (*_root(payload, index), "values")
            raise Invalid([Place(place, "The values are too large or too far apart to be computed with")])
        forecasts.append(decode(quantiles, spec, payload.levels, ready))
    return ForecastResponse(
        model=served.manifest.name, version=served.manifest.version, horizon=payload.horizon, forecasts=forecasts
    )


def _root(payload: ForecastRequest, index: int) -> tuple[str | int, ...]:
    """Where series `index` stands in the payload."""
    return () if payload.series is None else ("series", index)


def check(payload: ForecastRequest, series: list[SeriesInput], settings: Settings) -> None:
    """Refuse what is beyond the service's limits. Raises `Invalid`."""
    places = []
    if payload.explain:
        places.append(Place(("explain",), "Explanations are not available in this release; send false or leave it out"))
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


@dataclass(frozen=True)
class EncodedSeries:
    """One series as the graph reads it, and what its answer needs."""

    row: Row
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
    if num_observed < min(2 * spec.season, spec.context_length):
        warnings.append(
            f"only {num_observed} of the newest {spec.context_length} values are known; expect a rough forecast"
        )
    row: dict[str, NDArray[np.generic]] = {"history": history}
    start = _start(series, spec)
    row |= _past(series, spec, warnings)
    row |= _future(series, spec, horizon, start, warnings)
    return EncodedSeries(row, series.id, _timestamps(series, spec, start, horizon), warnings)


def _start(series: SeriesInput, spec: ForecastSpec) -> dt.datetime | None:
    if series.freq is not None and series.freq != spec.freq:
        raise Invalid([Place(("freq",), f"This model forecasts series of freq {spec.freq}")])
    if series.start is None:
        return None
    try:
        return parse_start(series.start, spec.freq)
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
        arrays[f"future_{covariate.name}"] = fixed_codes(codes, num_past, spec.context_length, spec.horizon)
    return arrays


def _derived(
    covariate: FutureCovariate, spec: ForecastSpec, start: dt.datetime, num_past: int, horizon: int
) -> NDArray[np.int64]:
    assert covariate.derived_from_dates is not None
    rule = DERIVATIONS[covariate.derived_from_dates]
    first = max(0, num_past - spec.context_length)  # what is older isn't read
    dates = _points(start, spec, first, num_past + horizon - first)
    unread: list[str | None] = [None] * first
    return category_codes([*unread, *(rule(date) for date in dates)], covariate.categories)


def _points(start: dt.datetime, spec: ForecastSpec, first: int, count: int) -> list[dt.datetime]:
    try:
        return timestamps(start, spec.freq, first, count)
    except ValueError as error:
        raise Invalid([Place(("start",), str(error))]) from None


def _refuse_unknown(kind: str, sent: dict[str, Any], known: list[str]) -> None:
    if unknown := set(sent) - set(known):
        which = f"This model takes {', '.join(known)}" if known else "This model takes none"
        raise Invalid([Place((kind,), f"{len(unknown)} unknown; {which}")])


def _timestamps(series: SeriesInput, spec: ForecastSpec, start: dt.datetime | None, horizon: int) -> list[str] | None:
    if start is None or series.start is None:
        return None
    points = _points(start, spec, len(series.values), horizon)
    date_only = len(series.start) <= len("2019-W01-1") and spec.freq not in {"15min", "30min", "h"}
    return [(point.date() if date_only else point).isoformat() for point in points]


def decode(
    quantiles: NDArray[np.generic], spec: ForecastSpec, levels: Sequence[float], encoded: EncodedSeries
) -> Forecast:
    """`quantiles:float32[horizon, levels]` of one series to its forecast."""
    wanted = [0.5, *(end for level in levels for end in interval_levels(level))]
    exact = quantiles_at(np.asarray(quantiles, dtype=np.float64), spec.quantile_levels, wanted)
    # Seven digits are what float32 holds; rounding is monotone, so the order of the quantiles is kept.
    magnitude = int(np.ceil(np.log10(max(float(np.abs(exact).max()), 1e-30))))
    steps = np.round(exact, 7 - magnitude).T.tolist()
    intervals = {
        repr(level).removesuffix(".0"): Interval(lower=steps[1 + 2 * index], upper=steps[2 + 2 * index])
        for index, level in enumerate(levels)
    }
    return Forecast(
        id=encoded.id,
        median=steps[0],
        intervals=intervals,
        timestamps=encoded.timestamps,
        warnings=encoded.warnings,
    )
