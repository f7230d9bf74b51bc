"""Questions whose answers are known: texts and series, and what onnxruntime alone says to them from the same bundle."""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.serving import workload
from benchmarks.serving.engine import SeriesEngine, TextEngine, engine
from tests.prove.client import Answer, post

TOLERANCE = 1e-4
"""Of a probability, and of a forecast's scale: what another batch, and six digits, may change."""
REFUSALS = {429, 503, 504}
"""Statuses by which a right request may be refused."""


@dataclass(frozen=True)
class CheckedRequest:
    """One request."""

    number: int
    model: str
    """Alias or bundle."""
    texts: Sequence[str] = ()
    series: Sequence[Sequence[float]] = ()

    @cached_property
    def wire(self) -> bytes:
        """As bytes."""
        if self.texts:
            return post("/classify", json.dumps({"model": self.model, "inputs": list(self.texts)}).encode())
        series = [{"values": list(values)} for values in self.series]
        return post("/forecast", json.dumps({"model": self.model, "series": series}).encode())


def random_requests(models: Sequence[str], count: int, seed: int = 0, largest: int = 8) -> list[CheckedRequest]:
    """Random shapes and sizes: from one word to more than a window, from one text or series to `largest`."""
    drawn = random.Random(seed)
    made = []
    for number in range(count):
        model = drawn.choice(models)
        rows = drawn.choice([1, 1, 1, 2, drawn.randint(1, largest)])
        if model.startswith(("spam", "sentiment")):
            texts = [workload.text(drawn, int(math.exp(drawn.uniform(0, math.log(700))))) for _ in range(rows)]
            made.append(CheckedRequest(number, model, texts=texts))
        else:
            series = [workload.series(drawn, int(math.exp(drawn.uniform(0, math.log(1000))))) for _ in range(rows)]
            made.append(CheckedRequest(number, model, series=series))
    return made


class AnswerChecker:
    """Compares answers with those of onnxruntime on the bundles as they were published."""

    def __init__(self) -> None:
        self._bundles: dict[tuple[str, int], Path] = {}
        self._engines: dict[Path, TextEngine | SeriesEngine] = {}
        self._right: dict[tuple[Path, int], list[Any]] = {}

    def published(self, name: str, version: int, folder: Path) -> None:
        """What a version holds; `folder` must stay as it is."""
        self._bundles[name, version] = folder

    def fault(self, request: CheckedRequest, answer: Answer) -> str | None:
        """What is wrong with an answer; None if it is right, or a refusal with its reason."""
        if answer.status in REFUSALS:
            return None if _gives_a_reason(answer) else f"{answer.status} without a reason: {answer.body[:200]!r}"
        if answer.status != 200:
            return f"status {answer.status}: {answer.body[:200]!r}"
        given = json.loads(answer.body)
        bundle = self._bundles.get((given["model"], given["version"]))
        if bundle is None:
            return f"{given['model']} version {given['version']} was never published"
        right = self._answers(bundle, request)
        if request.texts:
            labels = json.loads((bundle / "manifest.json").read_text("utf-8"))["spec"]["labels"]
            found = [[result["scores"].get(label, math.nan) for label in labels] for result in given["results"]]
        else:
            found = [forecast["median"] for forecast in given["forecasts"]]
        if len(found) != len(right):
            return f"{len(found)} results to {len(right)} inputs"
        for row, wanted in zip(found, right, strict=True):
            scale = 1.0 if request.texts else max(map(abs, wanted))
            if len(row) != len(wanted) or not all(
                abs(one - other) <= TOLERANCE * scale for one, other in zip(row, wanted, strict=True)
            ):
                return f"request {request.number}, {given['model']} {given['version']}: {row} instead of {wanted}"
        return None

    def _answers(self, bundle: Path, request: CheckedRequest) -> list[Any]:
        key = (bundle, request.number)
        if key not in self._right:
            if bundle not in self._engines:
                found = engine(bundle)
                assert isinstance(found, TextEngine | SeriesEngine)
                self._engines[bundle] = found
            known = self._engines[bundle]
            self._right[key] = (
                known.compute(request.texts).tolist() if isinstance(known, TextEngine) else known.right(request.series)
            )
        return self._right[key]


def _gives_a_reason(answer: Answer) -> bool:
    if answer.headers.get(b"content-type") != b"application/problem+json":
        return False
    problem = json.loads(answer.body)
    return bool(problem["status"] == answer.status and problem["detail"])
