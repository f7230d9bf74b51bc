"""Ray Serve: HAProxy in front of a replica a core, each with batches.

Documented: `RAY_SERVE_ENABLE_HA_PROXY` and `RAY_SERVE_THROUGHPUT_OPTIMIZED`, `num_replicas`, `@serve.batch`,
`max_ongoing_requests` above the batch; access log and dashboard are off.
"""

import os
import signal
import sys
from typing import Any

import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.requests import Request

from benchmarks.peers.work import answer_each
from benchmarks.serving.engine import from_environment

WORKERS = int(os.environ["BENCH_WORKERS"])


@serve.deployment(num_replicas=WORKERS, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.5})
class Classify:
    """`POST /classify`, in batches."""

    def __init__(self) -> None:
        self._engine = from_environment()

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.0)
    async def together(self, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One answer a body."""
        return answer_each(self._engine, bodies)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Wait for the batch."""
        answer: dict[str, Any] = await self.together(await request.json())
        return answer


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    ray.init(num_cpus=WORKERS, include_dashboard=False, logging_level="ERROR")
    quiet = LoggingConfig(enable_access_log=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["BENCH_PORT"])}, logging_config=quiet)
    application = Classify.bind()  # type: ignore[attr-defined]  # the decorator made it a deployment
    serve.run(application, route_prefix="/classify", logging_config=quiet)
    try:
        signal.pause()
    finally:
        serve.shutdown()
        ray.shutdown()
