"""What `server.py` has TorchServe serve."""

import json
from typing import Any

from benchmarks.peers.work import answer_each
from benchmarks.serving.engine import from_environment


class Classifier:
    """`POST /predictions/…`, in batches."""

    def initialize(self, context: Any) -> None:  # noqa: ARG002
        """In each worker."""
        self._engine = from_environment()

    def handle(self, rows: list[dict[str, Any]], context: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        """One answer a request."""
        bodies = [row["body"] for row in rows]
        return answer_each(self._engine, [body if isinstance(body, dict) else json.loads(body) for body in bodies])
