"""mosec: Rust answers HTTP and makes the batches, a Python process a core computes.

Documented: `num` processes, `max_batch_size` with `max_wait_time` in milliseconds for dynamic batches.
"""

import os
from typing import Any

from mosec import Server, Worker

from benchmarks.peers.work import answer_each
from benchmarks.serving.engine import from_environment


class Classify(Worker):
    """`POST /classify`, in batches."""

    def __init__(self) -> None:
        self._engine = from_environment()

    def forward(self, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One answer a body."""
        return answer_each(self._engine, data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(
        Classify, num=int(os.environ["BENCH_WORKERS"]), max_batch_size=32, max_wait_time=10, route="/classify"
    )
    server.run()
