"""`GET /metrics`: the instruments of all workers, and what follows from them, in Prometheus' text format."""

import asyncio
import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from service.catalog.catalog import Catalog, Snapshot
from service.state import Context, context
from service.tasks.classify.drift import stability_index
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
    """Bring those figures of this process up to date that no request turns."""
    metrics.measure_memory()
    metrics.count_requests()
    for proven in catalog.snapshot.versions.values():
        proven.metrics.count()
    for served in catalog.in_memory():
        served.metrics.measure_waiting(served.batcher.num_callers)


async def keep_measuring(metrics: Metrics, catalog: Catalog) -> None:
    """Measure each second until cancelled: with several workers, a scrape reaches only one of them."""
    while True:
        measure(metrics, catalog)
        await asyncio.sleep(1)


class Exposition:
    """What one scrape shows; a collector as prometheus_client knows them."""

    def __init__(
        self, metrics: Metrics, snapshot: Snapshot, *, ready: bool, readable: bool, deadline_seconds: float
    ) -> None:
        self._metrics = metrics
        self._snapshot = snapshot
        self._ready = ready
        self._readable = readable
        self._deadline_seconds = deadline_seconds

    def collect(self) -> Iterator[Metric]:
        """The instruments, then what is computed from them and from the state of the store."""
        measured = list(_of_all_workers(self._metrics.registry))
        yield from measured
        by_name = {metric.name: metric for metric in measured}
        yield _drift(by_name.get("seqserve_recent_rows"), self._snapshot)
        yield from _interval_coverage(by_name.get("seqserve_outcomes"))
        yield from _state(self._snapshot, ready=self._ready)
        yield GaugeMetricFamily(
            "seqserve_store_readable",
            "1 when the store and all that is to be loaded of it can be read, else 0",
            value=float(self._readable),
        )
        yield GaugeMetricFamily(
            "seqserve_deadline_seconds",
            "Time after which a request is refused with 504",
            value=self._deadline_seconds,
        )


def _of_all_workers(registry: CollectorRegistry) -> Iterable[Metric]:
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
    merged: Iterable[Metric] = MultiProcessCollector(None, folder).collect()  # type: ignore[no-untyped-call]
    return merged


def _drift(recent_rows: Metric | None, snapshot: Snapshot) -> Metric:
    drift = GaugeMetricFamily(
        "seqserve_drift_psi",
        "Population stability index of recent scores, lengths and labels against the bundle's reference",
        labels=(*MODEL, "of"),
    )
    counts: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for sample in recent_rows.samples if recent_rows else ():
        labels = sample.labels
        counts[labels["model"], labels["version"], labels["of"]][labels["bin"]] = sample.value
    for (model, version, of), by_bin in sorted(counts.items()):
        proven = snapshot.versions.get((model, int(version)))
        if proven is None or proven.reference is None:
            continue
        index = stability_index(proven.reference, of, by_bin)
        if index is not None:
            drift.add_metric((model, version, of), index)
    return drift


def _interval_coverage(outcomes: Metric | None) -> Iterator[Metric]:
    coverage = GaugeMetricFamily(
        "seqserve_interval_coverage",
        "Share of the intervals of one level in percent that held what came true, since the start",
        labels=(*MODEL, "level"),
    )
    nominal = GaugeMetricFamily(
        "seqserve_interval_nominal_coverage",
        "What seqserve_interval_coverage should be: the level itself, as a share",
        labels=(*MODEL, "level"),
    )
    counts: dict[tuple[str, ...], dict[str, float]] = defaultdict(lambda: {"true": 0.0, "false": 0.0})
    for sample in outcomes.samples if outcomes else ():
        key = tuple(sample.labels[name] for name in (*MODEL, "level"))
        counts[key][sample.labels["inside"]] += sample.value
    for key, inside in sorted(counts.items()):
        nominal.add_metric(key, float(key[-1]) / 100)
        if num_outcomes := inside["true"] + inside["false"]:
            coverage.add_metric(key, inside["true"] / num_outcomes)
    yield coverage
    yield nominal


def _state(snapshot: Snapshot, *, ready: bool) -> Iterator[Metric]:
    """Of the worker that is asked; the others follow the store within two seconds."""
    in_service = GaugeMetricFamily(
        "seqserve_version_in_service",
        "The version that answers for an alias, or for a bundle's own name (alias empty)",
        labels=("alias", "model"),
    )
    for alias, target in sorted(snapshot.aliases.items()):
        if (key := snapshot.key_of(alias)) is not None:
            in_service.add_metric((alias, target.name), key[1])
    for name in snapshot.names():
        in_service.add_metric(("", name), snapshot.proven(name)[-1])
    yield in_service
    refused = GaugeMetricFamily(
        "seqserve_version_refused",
        "1 for each version in the store that must not answer; GET /models says why in words",
        labels=(*MODEL, "why"),
    )
    for (name, version), refusal in sorted(snapshot.refused.items()):
        refused.add_metric((name, str(version), refusal.why), 1)
    yield refused
    unknown = GaugeMetricFamily(
        "seqserve_reference_unknown_token_ratio",
        "Mean of seqserve_unknown_token_ratio over the texts of the bundle's reference",
        labels=MODEL,
    )
    for (name, version), proven in sorted(snapshot.versions.items()):
        if proven.reference is not None:
            unknown.add_metric((name, str(version)), proven.reference.unknown_token_ratio)
    yield unknown
    yield GaugeMetricFamily("seqserve_ready", "1 when every required model answers, else 0", value=float(ready))
