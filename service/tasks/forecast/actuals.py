"""`POST /outcomes`: actual values of earlier forecasts, so that the coverage of the intervals can be monitored."""

from collections import defaultdict
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from service.errors import FieldError, Invalid
from service.http.schema import Integer, RequestModel
from service.state import Context
from service.tasks.forecast.metrics import ForecasterMetrics
from service.tasks.forecast.schema import level_name
from service.telemetry.request_record import RequestRecord

MAX_OUTCOMES = 10_000

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Outcome(RequestModel):
    """One interval that was forecast, and the actual value."""

    level: float = Field(gt=0, le=95, description="level of the interval, in percent")
    lower: Finite
    upper: Finite
    actual: Finite = Field(description="actual value, in the series' own units")


class OutcomesRequest(RequestModel):
    """Intervals of one model's forecasts with the actual values."""

    model: str = Field(description="what the forecast named in its `model`, or an alias")
    version: Integer = Field(description="what the forecast named in its `version`")
    outcomes: list[Outcome] = Field(min_length=1, max_length=MAX_OUTCOMES)


class LevelCoverage(TypedDict):
    """How many intervals of one level in this request held the actual value."""

    num_outcomes: int
    num_inside: int
    coverage: Annotated[float, Field(description="share inside; in the long run 0.8 for level 80")]


class OutcomesResponse(TypedDict):
    """What was counted, by level in percent."""

    model: str
    version: int
    levels: dict[str, LevelCoverage]


async def count_outcomes(payload: OutcomesRequest, context: Context, record: RequestRecord) -> OutcomesResponse:
    """Count how many intervals held the actual values; `GET /metrics` shows the share since the start.

    All outcomes of a request are counted, or none. The service keeps counts, no values.
    """
    tested = await context.catalog.tested(payload.model, payload.version)
    metrics = tested.task_metrics
    if not isinstance(metrics, ForecasterMetrics):
        raise Invalid([FieldError(("model",), "This model labels texts; outcomes are told of forecasts")])
    if errors := [
        FieldError(("outcomes", index), "lower is above upper; swap them")
        for index, outcome in enumerate(payload.outcomes)
        if outcome.lower > outcome.upper
    ]:
        raise Invalid(errors)
    record.answered_by(tested.manifest.name, tested.manifest.version, len(payload.outcomes))
    by_level: dict[float, list[bool]] = defaultdict(list)
    for outcome in payload.outcomes:
        by_level[outcome.level].append(outcome.lower <= outcome.actual <= outcome.upper)
    for level, inside in by_level.items():
        metrics.count_actuals(level, num_inside=sum(inside), num_actuals=len(inside))
    levels: dict[str, LevelCoverage] = {}
    for level, inside in sorted(by_level.items()):
        share = round(sum(inside) / len(inside), 6)
        levels[level_name(level)] = {"num_outcomes": len(inside), "num_inside": sum(inside), "coverage": share}
    return {"model": tested.manifest.name, "version": tested.manifest.version, "levels": levels}
