"""The slice of outcomes: `POST /outcomes` says what came true of earlier forecasts, so that coverage can be watched."""

from collections import defaultdict
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from typing_extensions import TypedDict

from bundle.tasks.forecast.spec import ForecastSpec
from service.errors import Invalid, Place
from service.http.json_route import JSONRoute
from service.http.problem import declared
from service.http.schema import RequestModel
from service.state import Context, context
from service.tasks.forecast.schema import level_name
from service.telemetry import request_record

MAX_OUTCOMES = 10_000

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Outcome(RequestModel):
    """One interval that was forecast, and the value that came true."""

    level: float = Field(gt=0, le=95, description="level of the interval, in percent")
    lower: Finite
    upper: Finite
    actual: Finite = Field(description="what came true, in the series' own units")


class OutcomesRequest(RequestModel):
    """Intervals of one model's forecasts with what came true."""

    model: str = Field(description="what the forecast named in its `model`, or an alias")
    version: int = Field(description="what the forecast named in its `version`")
    outcomes: list[Outcome] = Field(min_length=1, max_length=MAX_OUTCOMES)


class LevelCoverage(TypedDict):
    """What became of the intervals of one level in this request."""

    num_outcomes: int
    num_inside: int
    coverage: Annotated[
        float, Field(description="share inside; an honest interval of level 80 comes to 0.8 in the long run")
    ]


class OutcomesResponse(TypedDict):
    """What was counted, by level in percent."""

    model: str
    version: int
    levels: dict[str, LevelCoverage]


router = APIRouter(route_class=JSONRoute, tags=["predict"])


@router.post(
    "/outcomes",
    summary="Say what came true",
    responses=declared(400, 404, 413, 415, 422, 503),
)
async def count_outcomes(payload: OutcomesRequest, context: Annotated[Context, Depends(context)]) -> OutcomesResponse:
    """Count how many intervals held what came true; `GET /metrics` shows the share since the start.

    All outcomes of a request are counted, or none. The service keeps counts, no values.
    """
    record = request_record.current()
    proven = await context.catalog.proven(payload.model, payload.version)
    if not isinstance(proven.manifest.spec, ForecastSpec):
        raise Invalid([Place(("model",), "This model labels texts; outcomes are told of forecasts")])
    if places := [
        Place(("outcomes", index), "lower is above upper; swap them")
        for index, outcome in enumerate(payload.outcomes)
        if outcome.lower > outcome.upper
    ]:
        raise Invalid(places)
    record.answered_by(proven.manifest.name, proven.manifest.version, len(payload.outcomes))
    told: dict[float, list[bool]] = defaultdict(list)
    for outcome in payload.outcomes:
        told[outcome.level].append(outcome.lower <= outcome.actual <= outcome.upper)
    for level, inside in told.items():
        proven.metrics.came_true(level, num_inside=sum(inside), num_outcomes=len(inside))
    levels = {level_name(level): _coverage(inside) for level, inside in sorted(told.items())}
    return {"model": proven.manifest.name, "version": proven.manifest.version, "levels": levels}


def _coverage(inside: list[bool]) -> LevelCoverage:
    return {
        "num_outcomes": len(inside),
        "num_inside": sum(inside),
        "coverage": round(sum(inside) / len(inside), 6),
    }
