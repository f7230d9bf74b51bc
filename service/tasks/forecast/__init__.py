"""Forecasting: `POST /forecast`, and `POST /outcomes` for the actual values."""

from pathlib import Path
from typing import get_args

from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from bundle.tasks.forecast.series import SEASONS, Freq
from bundle.tasks.forecast.spec import ForecastSpec
from service.http.problem import declared
from service.http.route import JSONRoute, PredictRoute
from service.tasks.forecast.actuals import count_outcomes
from service.tasks.forecast.engine import Forecaster, check
from service.tasks.forecast.metrics import ForecastMetrics
from service.tasks.forecast.schema import ForecastJSON
from service.tasks.task import Task

FOLDER = Path(__file__).parent

DESCRIPTION = """Forecast one series or many: median and intervals of the next steps, in the series' own units.

Steps beyond the model's own horizon are forecast recursively, and `warnings` says from which step on. With `explain`
each segment of the history is hidden in turn; its weight is its share of how far the medians move."""


class ForecastSummary(BaseModel):
    """What `GET /models` says of a forecaster."""

    frequencies: list[Freq] = Field([], description="spacings of the series it forecasts")
    seasons: dict[Freq, int] = Field({}, description="steps in one season by spacing")


def summarise(spec: ForecastSpec) -> ForecastSummary:
    """Of one version."""
    frequencies: list[Freq] = list(get_args(Freq.__value__)) if spec.freq is None else [spec.freq]
    if spec.freq is not None and spec.season is not None:
        return ForecastSummary(frequencies=frequencies, seasons={spec.freq: spec.season})
    return ForecastSummary(frequencies=frequencies, seasons={freq: SEASONS[freq] for freq in frequencies})


def routes() -> list[APIRoute]:
    """`POST /forecast` and `POST /outcomes`."""
    return [
        PredictRoute(
            "/forecast",
            ForecastJSON(),
            name="forecast",
            summary="Forecast series",
            description=DESCRIPTION,
            tags=["predict"],
            responses=declared(400, 404, 413, 415, 422, 429, 503, 504),
        ),
        JSONRoute(
            "/outcomes",
            count_outcomes,
            summary="Send actual values",
            tags=["predict"],
            responses=declared(400, 404, 413, 415, 422, 503),
        ),
    ]


FORECAST = Task(
    name="forecast",
    title="Forecast",
    page=FOLDER / "page",
    examples=FOLDER / "examples.json",
    mismatch="This model forecasts series; send it to POST /forecast",
    routes=routes,
    check=check,
    engine=Forecaster,
    metrics=ForecastMetrics,
    summary=ForecastSummary,
    summarise=summarise,
)
