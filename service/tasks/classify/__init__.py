"""Text classification: `POST /classify`."""

from pathlib import Path

from pydantic import BaseModel, Field

from bundle.tasks.classify.spec import ClassifySpec
from service.http.problem import declared
from service.http.route import PredictRoute
from service.tasks.classify.engine import TextClassifier, check
from service.tasks.classify.metrics import ClassifyMetrics
from service.tasks.classify.schema import ClassifyJSON
from service.tasks.task import Task

FOLDER = Path(__file__).parent

DESCRIPTION = """Classify one text or many with the model named; `spam` tells spam from ham in English text messages.

With `explain` each word is hidden in turn, and its weight is how much the score drops without it."""


class ClassifySummary(BaseModel):
    """What `GET /models` says of a classifier."""

    labels: list[str] = Field([], description="labels it tells apart; none of a model of another task")


def summarise(spec: ClassifySpec) -> ClassifySummary:
    """Of one version."""
    return ClassifySummary(labels=spec.labels)


def routes() -> list[PredictRoute]:
    """`POST /classify`."""
    return [
        PredictRoute(
            "/classify",
            ClassifyJSON(),
            name="classify",
            summary="Classify texts",
            description=DESCRIPTION,
            tags=["predict"],
            responses=declared(400, 404, 413, 415, 422, 429, 503, 504),
        )
    ]


CLASSIFY = Task(
    name="classify",
    title="Classify",
    page=FOLDER / "page",
    examples=FOLDER / "examples.json",
    mismatch="This model labels texts; send it to POST /classify",
    routes=routes,
    check=check,
    engine=TextClassifier,
    metrics=ClassifyMetrics,
    summary=ClassifySummary,
    summarise=summarise,
)
