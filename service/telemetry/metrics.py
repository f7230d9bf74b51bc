"""Prometheus instruments, those of the tasks excepted. `GET /metrics` (`http.metrics`) shows them.

What each request adds is noted at once and counted each second and before a scrape. Labels never hold what a client
wrote. With several workers each writes to its own files, and the one that is scraped adds them up.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
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
    """All instruments of one process, those of each task included."""

    def __init__(self, tasks: Mapping[str, TaskInstruments] = MappingProxyType({})) -> None:
        # Else a second series for each counter, which Prometheus doesn't need.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        answered = ("route", *MODEL, "status")
        self.requests = counter("seqserve_requests", "Requests answered", answered)
        first_to_last = "Time from the request's first byte read to its answer's last byte written"
        self.request_seconds = histogram("seqserve_request_seconds", first_to_last, answered, buckets=REQUEST_BUCKETS)
        self.refusals = counter("seqserve_refusals", "Requests refused, by the kind of problem", ("route", "reason"))
        waited = "Time a request's rows waited for the engine"
        self.queue_wait_seconds = histogram("seqserve_queue_wait_seconds", waited, MODEL, buckets=WORK_BUCKETS)
        of_batch = "Time of one batch in the engine"
        self.inference_seconds = histogram("seqserve_inference_seconds", of_batch, MODEL, buckets=WORK_BUCKETS)
        self.batch_rows = histogram("seqserve_batch_rows", "Rows of one batch", MODEL, buckets=ROWS_BUCKETS)
        self.rows = counter("seqserve_rows", "Rows computed by the engine", MODEL)
        padding = "Share of one batch's elements that only fill rows up to the same length"
        self.padding_ratio = histogram("seqserve_padding_ratio", padding, MODEL, buckets=SHARE_BUCKETS)
        outcomes = "Versions loaded, by what became of them: proved or refused"
        self.loads = counter("seqserve_loads", outcomes, (*MODEL, "outcome"))
        loading = "Time from when a version was to be loaded until it had proved itself, or was refused"
        self.load_seconds = histogram("seqserve_load_seconds", loading, buckets=LOAD_BUCKETS)
        evicted = "Versions let go from memory that the store still holds"
        self.evictions = counter("seqserve_evictions", evicted, MODEL)
        memory = "Memory that a version takes in all workers together; 0 where it isn't loaded"
        self.model_memory_bytes = gauge("seqserve_model_memory_bytes", memory, MODEL, multiprocess_mode="livesum")
        self.swaps = counter("seqserve_swaps", "Changes of the version that answers for an alias", ("alias",))
        waiting = "Requests admitted and not yet answered"
        self.waiting_requests = gauge("seqserve_waiting_requests", waiting, MODEL, multiprocess_mode="livesum")
        self.connections = gauge("seqserve_connections", "Connections open now", multiprocess_mode="livesum")
        dropped = "Connections closed on their callers before a request was whole or its answer read, by reason"
        self.connections_dropped = counter("seqserve_connections_dropped", dropped, ("reason",))
        resident = "Memory of the server processes"
        self.resident_memory_bytes = gauge("seqserve_resident_memory_bytes", resident, multiprocess_mode="liveall")
        keys = "Keys that may ask; 0 where nobody is asked for one"
        self.keys = gauge("seqserve_keys", keys, multiprocess_mode="livemax")
        unreadable = "1 while the file of keys can't be read, and what it held before goes on; else 0"
        self.keys_fault = gauge("seqserve_keys_fault", unreadable, multiprocess_mode="livemax")
        unshared = "Accounts of keys that a worker can't share with the others, and counts by itself"
        self.usage_faults = counter("seqserve_usage_faults", unshared)
        self.tasks = {name: task(registry) for name, task in tasks.items()}
        """Instruments of each task."""
        self._totals: dict[tuple[str, str, int | None, int], list[float]] = {}
        """Seconds of requests that are yet to be counted, by the labels."""

    def request(self, route: str, status: int, record: RequestRecord, problem: str | None) -> None:
        """Note one request that is over; `count_requests` counts it."""
        key = (route, record.model, record.version, status)
        seconds = self._totals.get(key)
        if seconds is None:
            seconds = self._totals[key] = []
        seconds.append(record.total_seconds)
        if problem is not None:
            self.refusals.labels(route, problem).inc()

    def declare_problems(self, route: str, kinds: Iterable[str]) -> None:
        """Show zeros for the problems of a route: a counter that begins at 1 has no rate."""
        for kind in kinds:
            self.refusals.labels(route, kind)

    def counted_versions(self) -> set[tuple[str, int]]:
        """Versions that requests are counted of."""
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
    """The instruments of one version that every task has, with its labels filled in."""

    def __init__(self, metrics: Metrics, name: str, version: int) -> None:
        self.batches = BatchStats()
        """The batcher appends to these."""
        self._queue_wait_seconds = metrics.queue_wait_seconds.labels(name, version)
        self._inference_seconds = metrics.inference_seconds.labels(name, version)
        self._batch_rows = metrics.batch_rows.labels(name, version)
        self._rows = metrics.rows.labels(name, version)
        self._padding_ratio = metrics.padding_ratio.labels(name, version)
        self._waiting_requests = metrics.waiting_requests.labels(name, version)
        metrics.evictions.labels(name, version)

    def measure_waiting(self, num_requests: int) -> None:
        """Set how many requests are admitted now."""
        self._waiting_requests.set(num_requests)

    def flush(self) -> None:
        """Count the batches since the last time."""
        batches = self.batches.take()
        self._rows.inc(sum(batches.num_rows))
        observe_all(self._batch_rows, batches.num_rows)
        observe_all(self._padding_ratio, batches.padding_ratios)
        observe_all(self._inference_seconds, batches.inference_seconds)
        observe_all(self._queue_wait_seconds, batches.queue_seconds)
