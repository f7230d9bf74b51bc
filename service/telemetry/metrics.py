"""Prometheus instruments, those of the tasks excepted. `GET /metrics` (`http.metrics`) shows them.

What each request adds is noted at once and counted each second and before a scrape (`flush`, `count_requests`). Labels
never hold what a client wrote: `route` is a route's template, `model` a bundle's name. Each of several workers writes
its own files (see `prometheus_client.multiprocess`); the one that is scraped adds them up.
"""

import functools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from service.engine.batcher import BatchStats
from service.telemetry.request_record import RequestRecord

REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WORK_BUCKETS = (0.0001, 0.00025, 0.0005, *REQUEST_BUCKETS)
LOAD_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHARE_BUCKETS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1)

MODEL = ("model", "version")
REQUEST = ("route", *MODEL, "status")

TaskInstruments = Callable[[CollectorRegistry], Any]
"""Registers the instruments of one task: `TaskMetrics` of `service.tasks.task`."""


def observe_all(histogram: Histogram, values: Sequence[float]) -> None:
    """`histogram.observe` for many values at once: a twentieth of the time (docs/decisions/0019-the-house.md)."""
    if not values:
        return
    bounds, buckets = histogram._upper_bounds, histogram._buckets
    counts = np.bincount(np.searchsorted(bounds, values, side="left"), minlength=len(buckets))
    histogram._sum.inc(float(sum(values)))
    for bucket, count in zip(buckets, counts.tolist(), strict=True):
        if count:
            bucket.inc(count)


class Metrics:
    """All instruments of one process; `tasks` registers those of each task, by its name."""

    def __init__(self, tasks: Mapping[str, TaskInstruments] = MappingProxyType({})) -> None:
        # Else a second series for each counter, which Prometheus doesn't need.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        counter = functools.partial(Counter, registry=self.registry)
        histogram = functools.partial(Histogram, registry=self.registry)
        sum_gauge = functools.partial(Gauge, registry=self.registry, multiprocess_mode="livesum")
        max_gauge = functools.partial(Gauge, registry=self.registry, multiprocess_mode="livemax")

        self.requests = counter("seqserve_requests", "Requests answered", REQUEST)
        about = "Time from the request's first byte read to its answer's last byte written"
        self.request_seconds = histogram("seqserve_request_seconds", about, REQUEST, buckets=REQUEST_BUCKETS)
        self.refusals = counter("seqserve_refusals", "Requests refused, by the kind of problem", ("route", "reason"))
        self.waiting_requests = sum_gauge("seqserve_waiting_requests", "Requests admitted and not yet answered", MODEL)

        about = "Time a request's rows waited for the engine"
        self.queue_wait_seconds = histogram("seqserve_queue_wait_seconds", about, MODEL, buckets=WORK_BUCKETS)
        about = "Time of one batch in the engine"
        self.inference_seconds = histogram("seqserve_inference_seconds", about, MODEL, buckets=WORK_BUCKETS)
        self.batch_rows = histogram("seqserve_batch_rows", "Rows of one batch", MODEL, buckets=ROWS_BUCKETS)
        self.rows = counter("seqserve_rows", "Rows computed by the engine", MODEL)
        about = "Share of one batch's elements that only fill rows up to the same length"
        self.padding_ratio = histogram("seqserve_padding_ratio", about, MODEL, buckets=SHARE_BUCKETS)

        about = "Versions loaded, by what became of them: proved or refused"
        self.loads = counter("seqserve_loads", about, (*MODEL, "outcome"))
        about = "Time from when a version was to be loaded until it passed its self-test, or was rejected"
        self.load_seconds = histogram("seqserve_load_seconds", about, buckets=LOAD_BUCKETS)
        self.evictions = counter("seqserve_evictions", "Versions evicted from memory that the store still holds", MODEL)
        about = "Memory that a version takes in all workers together; 0 where it isn't loaded"
        self.model_memory_bytes = sum_gauge("seqserve_model_memory_bytes", about, MODEL)
        self.swaps = counter("seqserve_swaps", "Changes of the version that answers for an alias", ("alias",))

        self.connections = sum_gauge("seqserve_connections", "Connections open now")
        about = "Connections closed on their clients before a request was complete or its answer read, by reason"
        self.connections_dropped = counter("seqserve_connections_dropped", about, ("reason",))
        about = "Memory of the server processes"
        self.resident_memory_bytes = Gauge(
            "seqserve_resident_memory_bytes", about, multiprocess_mode="liveall", registry=self.registry
        )

        self.keys = max_gauge("seqserve_keys", "Valid keys; 0 where none are needed")
        about = "1 while the key file can't be read, and what it held before goes on; else 0"
        self.keys_fault = max_gauge("seqserve_keys_fault", about)
        about = "Accounts of keys that a worker can't share with the others, and counts by itself"
        self.usage_faults = counter("seqserve_usage_faults", about)

        self.tasks = {name: task(self.registry) for name, task in tasks.items()}
        """Instruments of each task."""
        self._totals: defaultdict[tuple[str, str, int | None, int], list[float]] = defaultdict(list)
        """Seconds of requests that are yet to be counted, by the labels."""

    def request(self, route: str, status: int, record: RequestRecord, problem: str | None) -> None:
        """Note one request that is over; `count_requests` counts it."""
        self._totals[route, record.model, record.version, status].append(record.total_seconds)
        if problem is not None:
            self.refusals.labels(route, problem).inc()

    def declare_problems(self, route: str, kinds: Iterable[str]) -> None:
        """Show zeros for the problems of a route: a counter that begins at 1 has no rate."""
        for kind in kinds:
            self.refusals.labels(route, kind)

    def counted_versions(self) -> set[tuple[str, int]]:
        """Versions that answered requests."""
        return {(name, version) for _, name, version, _ in self._totals if version is not None}

    def forget(self, name: str, version: int) -> None:
        """Remove the series of a version that is no longer in the store; files of several workers keep them."""
        own = {"model": name, "version": str(version)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the files, which keep what is removed here
            for group in (self, *self.tasks.values()):
                for metric in vars(group).values():
                    if isinstance(metric, MetricWrapperBase) and own.keys() <= set(metric._labelnames):
                        metric.remove_by_labels(own)
        for key in [key for key in self._totals if key[1:3] == (name, version)]:
            del self._totals[key]

    def count_requests(self) -> None:
        """Count the requests since the last time."""
        for (route, name, version, status), seconds in self._totals.items():
            if seconds:
                labels = (route, name, "" if version is None else version, status)
                self.requests.labels(*labels).inc(len(seconds))
                observe_all(self.request_seconds.labels(*labels), seconds)
                seconds.clear()


class ModelMetrics:
    """The instruments of one version that every task has."""

    def __init__(self, metrics: Metrics, name: str, version: int) -> None:
        own = (name, version)
        self.batches = BatchStats()
        """The batcher appends to these."""
        self._queue_wait_seconds = metrics.queue_wait_seconds.labels(*own)
        self._inference_seconds = metrics.inference_seconds.labels(*own)
        self._batch_rows = metrics.batch_rows.labels(*own)
        self._rows = metrics.rows.labels(*own)
        self._padding_ratio = metrics.padding_ratio.labels(*own)
        self.waiting_requests = metrics.waiting_requests.labels(*own)
        metrics.evictions.labels(*own)

    def flush(self) -> None:
        """Count the batches since the last time."""
        batches = self.batches.take()
        self._rows.inc(sum(batches.num_rows))
        observe_all(self._batch_rows, batches.num_rows)
        observe_all(self._padding_ratio, batches.padding_ratios)
        observe_all(self._inference_seconds, batches.inference_seconds)
        observe_all(self._queue_wait_seconds, batches.queue_seconds)
