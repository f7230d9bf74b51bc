"""What `server.py` has BentoML serve."""

import os
from typing import Any

import bentoml

from benchmarks.serving.engine import from_environment


@bentoml.service(
    workers=int(os.environ["BENCH_WORKERS"]), logging={"access": {"enabled": False}}, metrics={"enabled": False}
)
class Classify:
    """`POST /classify`, in batches of texts."""

    def __init__(self) -> None:
        self._engine = from_environment()

    @bentoml.api(batchable=True, max_batch_size=100, max_latency_ms=10_000)
    def classify(self, inputs: list[str]) -> list[dict[str, Any]]:
        """One result a text."""
        results: list[dict[str, Any]] = self._engine.answer(inputs)["results"]
        return results
