"""The task online: `POST /vowels`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import GaugeMetricFamily
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from bundle.golden import Run
from bundle.store import Bundle
from service.engine.admission import Admission
from service.engine.batcher import Batcher, BatchStats
from service.engine.columns import ColumnEngine, Columns
from service.errors import FieldError, Invalid
from service.http.codec import Call
from service.http.json_codec import JSONCodec
from service.http.problem import declared
from service.http.route import PredictRoute
from service.http.schema import Integer, RequestModel
from service.predict import Answers
from service.settings import Settings
from service.tasks.task import Resources, Task
from service.telemetry.metrics import MODEL
from service.telemetry.request_record import RequestRecord
from tests.third_task.bundle import VowelsSpec, encode

FOLDER = Path(__file__).parent


class VowelsRequest(RequestModel):
    """Texts to count in."""

    model: str
    version: Integer | None = None
    inputs: Annotated[list[str], Field(min_length=1)]


class VowelsResponse(TypedDict):
    """One count per text."""

    model: str
    version: int
    counts: list[float]


@dataclass(frozen=True)
class VowelsOptions:
    """There are none."""


class VowelsJSON(JSONCodec[VowelsRequest]):
    """Native JSON."""

    task = "vowels"
    payload = VowelsRequest
    response = VowelsResponse

    def call(self, payload: VowelsRequest) -> Call:
        return Call(payload.model, payload.version, payload.inputs, VowelsOptions())

    def respond(self, call: Call, answers: Answers) -> VowelsResponse:
        return {"model": answers.model, "version": answers.version, "counts": list(answers.results)}


class VowelsMetrics:
    """How many vowels were counted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.counted = Counter("seqserve_vowels", "Vowels counted", MODEL, registry=registry)

    def of(self, bundle: Bundle, _assets: None) -> "CountedVowels":
        return CountedVowels(self, bundle)

    def derived(
        self, instruments: Mapping[str, Metric], _versions: Mapping[tuple[str, int], object]
    ) -> Iterator[Metric]:
        counted = sum(sample.value for sample in instruments["seqserve_vowels"].samples)
        yield GaugeMetricFamily("seqserve_vowels_known", "Vowels counted by all models", value=counted)


class CountedVowels:
    """Of one version."""

    def __init__(self, metrics: VowelsMetrics, bundle: Bundle) -> None:
        self._counted = metrics.counted.labels(bundle.manifest.name, bundle.manifest.version)
        self._noted = 0.0

    def note(self, count: float) -> None:
        self._noted += count

    def flush(self) -> None:
        self._counted.inc(max(self._noted, 0.0))
        self._noted = 0.0


class Counting:
    """A model in memory."""

    def __init__(
        self, spec: VowelsSpec, _assets: None, run: Run, stats: BatchStats, metrics: CountedVowels, resources: Resources
    ) -> None:
        self._spec = spec
        self._metrics = metrics
        self.batcher: Batcher[Columns, Columns] = Batcher(
            ColumnEngine(run), resources.inference, resources.limits, stats
        )

    async def answer(
        self, texts: Sequence[str], _options: VowelsOptions, admission: Admission, identity: RequestRecord
    ) -> list[float]:
        identity.charge_rows(len(texts))
        rows = Columns({"codes": encode(texts, self._spec.max_characters)})
        counts = (await self.batcher.submit(rows, admission.deadline, identity)).arrays["count"][:, 0]
        identity.defer(self._metrics.note, float(counts.sum()))
        return np.round(counts.astype(np.float64), 3).tolist()


def check(texts: Sequence[str], _options: VowelsOptions, settings: Settings) -> None:
    if len(texts) > settings.max_texts:
        raise Invalid([FieldError(("inputs",), f"At most {settings.max_texts} texts a request")])


class VowelsSummary(BaseModel):
    """What `GET /models` says."""

    max_characters: int | None = Field(None, description="characters that it reads; null for other tasks")


def summarise(spec: VowelsSpec) -> VowelsSummary:
    return VowelsSummary(max_characters=spec.max_characters)


def routes() -> list[PredictRoute]:
    return [
        PredictRoute(
            "/vowels",
            VowelsJSON(),
            name="vowels",
            summary="Count vowels",
            tags=["predict"],
            responses=declared(400, 404, 413, 415, 422, 429, 503, 504),
        )
    ]


VOWELS = Task(
    name="vowels",
    title="Count vowels",
    page=FOLDER / "page",
    examples=FOLDER / "examples.json",
    mismatch="This model counts vowels; send it to POST /vowels",
    routes=routes,
    check=check,
    engine=Counting,
    metrics=VowelsMetrics,
    summary=VowelsSummary,
    summarise=summarise,
)
