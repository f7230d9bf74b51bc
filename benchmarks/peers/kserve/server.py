"""KServe's Python model server, protocol v1: FastAPI, a process a core.

Documented: `--workers`, and logs at warnings only. Its batches are made by another program, of the cluster.
"""

import os
from typing import Any

from kserve import Model, ModelServer

from benchmarks.serving.engine import Engine, from_environment


class Classifier(Model):
    """`POST /v1/models/…:predict`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._engine: Engine | None = None  # made in each process: a session doesn't survive the fork
        self.ready = True

    async def predict(
        self,
        payload: dict[str, Any],
        headers: dict[str, str] | None = None,  # noqa: ARG002
        response_headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Label the instances."""
        if self._engine is None:
            self._engine = from_environment()
        return {"predictions": self._engine.answer(payload["instances"])["results"]}


if __name__ == "__main__":
    ModelServer().start([Classifier(os.environ["BENCH_MODEL"])])
