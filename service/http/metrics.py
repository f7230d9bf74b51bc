"""`GET /metrics`: the instruments of all workers, and what is computed from them, in Prometheus' text format."""

import asyncio
import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from service.catalog.catalog import Catalog
from service.catalog.snapshot import Snapshot
from service.engine.memory import resident_bytes
from service.state import Context, context
from service.telemetry.metrics import MODEL, Metrics
from service.telemetry.worker_files import WORKERS_FOLDER

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def show_metrics(request: Request, context: Annotated[Context, Depends(context)]) -> Response:
    """Counters, histograms and gauges of every worker together; docs/operations.md says what each means."""
    measure(context.metrics, context.catalog)
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    exposition = Exposition(
        context.metrics,
        context.catalog.snapshot,
        ready=not context.catalog.unready(),
        readable=not context.catalog.store_faults(),
        deadline_seconds=context.settings.deadline_seconds,
    )
    return Response(await asyncio.to_thread(encode, exposition), headers={"Content-Type": media_type})


def measure(metrics: Metrics, catalog: Catalog) -> None:
    """Bring the instruments of this process up to date."""
    metrics.resident_memory_bytes.set(resident_bytes())
    metrics.count_requests()
    for tested in catalog.snapshot.versions.values():
        tested.metrics.flush()
        tested.task_metrics.flush()
    for loaded in catalog.in_memory():
        loaded.metrics.waiting_requests.set(loaded.engine.batcher.num_requests)


async def keep_measuring(metrics: Metrics, catalog: Catalog) -> None:
    """Measure each second until cancelled: with several workers, a scrape reaches only one of them."""
    while True:
        measure(metrics, catalog)
        await asyncio.sleep(1)


@dataclass(frozen=True)
class Exposition:
    """What one scrape shows: a collector of prometheus_client."""

    metrics: Metrics
    snapshot: Snapshot
    ready: bool
    readable: bool
    deadline_seconds: float

    def collect(self) -> Iterator[Metric]:
        """The instruments, then what is computed from them and from the state of the store."""
        measured = list(_from_all_workers(self.metrics.registry))
        yield from measured
        by_name = {metric.name: metric for metric in measured}
        versions = {key: tested.task_metrics for key, tested in self.snapshot.versions.items()}
        for task_metrics in self.metrics.tasks.values():
            yield from task_metrics.derived(by_name, versions)
        yield from _versions(self.snapshot)
        for name, text, value in (
            ("ready", "1 when every required model answers, else 0", self.ready),
            (
                "store_readable",
                "1 when the store and all that is to be loaded of it can be read, else 0",
                self.readable,
            ),
            ("deadline_seconds", "Time after which a request is refused with 504", self.deadline_seconds),
        ):
            yield GaugeMetricFamily(f"seqserve_{name}", text, value=float(value))


def _from_all_workers(registry: CollectorRegistry) -> Iterable[Metric]:
    folder = os.environ.get(WORKERS_FOLDER)
    if folder is None:
        return registry.collect()
    for path in Path(folder).glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with contextlib.suppress(FileNotFoundError):  # another worker was first
                mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
        except PermissionError:
            pass  # alive, another user's
    merged: Iterable[Metric] = MultiProcessCollector.merge(_written(folder))  # type: ignore[no-untyped-call]
    return merged


def _written(folder: str) -> list[str]:
    """Files of workers. One that starts has an empty file at first, which can't be read."""
    found = []
    for path in Path(folder).glob("*.db"):
        with contextlib.suppress(FileNotFoundError):  # another worker was first
            if path.stat().st_size:
                found.append(str(path))
    return found


def _versions(snapshot: Snapshot) -> Iterator[Metric]:
    """Of the worker that answers; the others follow the store within two seconds."""
    text = "The version that answers for an alias, or for a bundle's own name (alias empty)"
    in_service = GaugeMetricFamily("seqserve_version_in_service", text, labels=("alias", "model"))
    for alias, target in sorted(snapshot.aliases.items()):
        if (key := snapshot.key_of(alias)) is not None:
            in_service.add_metric((alias, target.name), key[1])
    for name in snapshot.names():
        in_service.add_metric(("", name), snapshot.passed(name)[-1])
    yield in_service
    text = "1 for each version in the store that must not answer; GET /models says why in words"
    refused = GaugeMetricFamily("seqserve_version_refused", text, labels=(*MODEL, "why"))
    for (name, version), rejected in sorted(snapshot.rejected.items()):
        refused.add_metric((name, str(version), rejected.why), 1)
    yield refused
