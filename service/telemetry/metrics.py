"""Every Prometheus instrument of the service, and who turns it. `exposition` answers `GET /metrics` with them.

What each request turns is noted at once and counted each second and before a scrape (`tally`).

Labels never hold what a caller wrote: `route` is a route's template, `model` a bundle's name. With several workers each
process writes to its own files in `PROMETHEUS_MULTIPROC_DIR` (see `prometheus_client.multiprocess`) and the worker that
is asked adds them up.
"""

import collections
import inspect
import warnings
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.values import ValueClass

from bundle.manifest import Manifest
from bundle.tasks.classify.reference import Reference
from bundle.tasks.classify.spec import ClassifySpec
from service.engine.memory import resident_bytes
from service.tasks.classify.drift import RecentTexts
from service.telemetry import request_record
from service.telemetry.tally import Tally

REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WORK_BUCKETS = (0.0001, 0.00025, 0.0005, *REQUEST_BUCKETS)
LOAD_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHARE_BUCKETS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1)
SCORE_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1)

USUAL_LEVELS = (80, 95)
"""Levels in percent that `POST /forecast` gives unless asked for others."""

MODEL = ("model", "version")


class Metrics:
    """All instruments of one process."""

    def __init__(self) -> None:
        # Else a second series for each counter, which Prometheus doesn't need.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "seqserve_requests",
            "Requests answered",
            ("route", *MODEL, "status"),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "seqserve_request_seconds",
            "Time from the request's first byte read to its answer's last byte written",
            ("route", *MODEL, "status"),
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )
        self.refusals = Counter(
            "seqserve_refusals", "Requests refused, by the kind of problem", ("route", "reason"), registry=registry
        )
        self.queue_wait_seconds = Histogram(
            "seqserve_queue_wait_seconds",
            "Time a request's rows waited for the engine",
            MODEL,
            buckets=WORK_BUCKETS,
            registry=registry,
        )
        self.inference_seconds = Histogram(
            "seqserve_inference_seconds",
            "Time of one batch in the engine",
            MODEL,
            buckets=WORK_BUCKETS,
            registry=registry,
        )
        self.batch_rows = Histogram(
            "seqserve_batch_rows", "Rows of one batch", MODEL, buckets=ROWS_BUCKETS, registry=registry
        )
        self.rows = Counter("seqserve_rows", "Rows computed by the engine", MODEL, registry=registry)
        self.padding_ratio = Histogram(
            "seqserve_padding_ratio",
            "Share of one batch's elements that only fill rows up to the same length",
            MODEL,
            buckets=SHARE_BUCKETS,
            registry=registry,
        )
        self.truncations = Counter(
            "seqserve_truncations", "Texts of which only the beginning was read", MODEL, registry=registry
        )
        self.labels = Counter("seqserve_labels", "Texts by the label answered", (*MODEL, "label"), registry=registry)
        self.score = Histogram(
            "seqserve_score",
            "Calibrated probability of the positive label; where there is none, of the label answered",
            MODEL,
            buckets=SCORE_BUCKETS,
            registry=registry,
        )
        self.unknown_token_ratio = Histogram(
            "seqserve_unknown_token_ratio",
            "Share of one text's tokens that the model's vocabulary lacks",
            MODEL,
            buckets=SHARE_BUCKETS,
            registry=registry,
        )
        self.recent_rows = Gauge(
            "seqserve_recent_rows",
            "Recent texts by bin of the bundle's reference; older ones fade out",
            (*MODEL, "of", "bin"),
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.outcomes = Counter(
            "seqserve_outcomes",
            "Intervals whose actual value became known, by level in percent and whether it lay inside",
            (*MODEL, "level", "inside"),
            registry=registry,
        )
        self.loads = Counter(
            "seqserve_loads",
            "Versions loaded, by what became of them: proved or refused",
            (*MODEL, "outcome"),
            registry=registry,
        )
        self.load_seconds = Histogram(
            "seqserve_load_seconds",
            "Time from when a version was to be loaded until it had proved itself, or was refused",
            buckets=LOAD_BUCKETS,
            registry=registry,
        )
        self.evictions = Counter(
            "seqserve_evictions", "Versions let go from memory that the store still holds", MODEL, registry=registry
        )
        self.model_memory_bytes = Gauge(
            "seqserve_model_memory_bytes",
            "Memory that a version takes in all workers together; 0 where it isn't loaded",
            MODEL,
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.swaps = Counter(
            "seqserve_swaps", "Changes of the version that answers for an alias", ("alias",), registry=registry
        )
        self.waiting_requests = Gauge(
            "seqserve_waiting_requests",
            "Requests admitted and not yet answered",
            MODEL,
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.connections = Gauge(
            "seqserve_connections", "Connections open now", multiprocess_mode="livesum", registry=registry
        )
        self.connections_dropped = Counter(
            "seqserve_connections_dropped",
            "Connections closed on their callers before a request was whole or its answer read, by reason",
            ("reason",),
            registry=registry,
        )
        self.resident_memory_bytes = Gauge(
            "seqserve_resident_memory_bytes",
            "Memory of the server processes",
            multiprocess_mode="liveall",
            registry=registry,
        )
        self.keys = Gauge(
            "seqserve_keys",
            "Keys that may ask; 0 where nobody is asked for one",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.keys_fault = Gauge(
            "seqserve_keys_fault",
            "1 while the file of keys can't be read, and what it held before goes on; else 0",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.usage_faults = Counter(
            "seqserve_usage_faults",
            "Accounts of keys that a worker can't share with the others, and counts by itself",
            registry=registry,
        )
        self._by_request: dict[tuple[str, str, int | None, int], tuple[Counter, Tally]] = {}

    def request(self, route: str, status: int, record: request_record.RequestRecord, refusal: str | None) -> None:
        """Count one request that is over."""
        key = (route, record.model, record.version, status)
        turned = self._by_request.get(key)
        if turned is None:
            labels = (route, record.model, "" if record.version is None else record.version, status)
            turned = self.requests.labels(*labels), Tally(self.request_seconds.labels(*labels))
            self._by_request[key] = turned
        turned[1].observe(record.total_seconds)
        if refusal is not None:
            self.refusals.labels(route, refusal).inc()

    def refusable(self, route: str, kinds: Iterable[str]) -> None:
        """Show zeros for what a route may refuse: a rate can't be told of a count that begins at 1."""
        for kind in kinds:
            self.refusals.labels(route, kind)

    def answered_by(self) -> set[tuple[str, int]]:
        """Versions that requests are counted of."""
        return {(name, version) for _, name, version, _ in self._by_request if version is not None}

    def forget(self, name: str, version: int) -> None:
        """Let go the figures of a version that is no longer in the store; of several workers the files keep them."""
        own = {"model": name, "version": str(version)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the files, which keep what is let go here
            for metric in vars(self).values():
                if isinstance(metric, MetricWrapperBase) and own.keys() <= set(metric._labelnames):
                    metric.remove_by_labels(own)
        for key in [key for key in self._by_request if key[1:3] == (name, version)]:
            del self._by_request[key]
        # With several workers prometheus_client keeps every value it ever made, for processes that fork: ours don't.
        inspect.getclosurevars(ValueClass.__init__).nonlocals.get("values", []).clear()

    def count_requests(self) -> None:
        """Count those that are over since the last time."""
        for count, seconds in self._by_request.values():
            count.inc(seconds.count())

    def measure_memory(self) -> None:
        """Note what this process holds; a platform that doesn't tell leaves it at 0."""
        self.resident_memory_bytes.set(resident_bytes())


class ModelMetrics:
    """The instruments of one version, with its labels filled in. The batcher and the routes turn them."""

    def __init__(self, metrics: Metrics, manifest: Manifest, reference: Reference | None) -> None:
        own = (manifest.name, manifest.version)
        self._queue_wait_seconds = Tally(metrics.queue_wait_seconds.labels(*own))
        self._inference_seconds = Tally(metrics.inference_seconds.labels(*own))
        self._batch_rows = Tally(metrics.batch_rows.labels(*own))
        self._rows = metrics.rows.labels(*own)
        self._padding_ratio = Tally(metrics.padding_ratio.labels(*own))
        self._tallies = [self._queue_wait_seconds, self._inference_seconds, self._batch_rows, self._padding_ratio]
        self._waiting_requests = metrics.waiting_requests.labels(*own)
        self._outcomes = metrics.outcomes
        self._recent = RecentTexts(reference) if reference else None
        self._own = own
        self._answered: list[str] = []
        """Labels that have yet to be counted."""
        self._recent_rows = {
            (of, name): metrics.recent_rows.labels(*own, of, name)
            for of, counts in (self._recent.counts() if self._recent else {}).items()
            for name in counts
        }
        metrics.evictions.labels(*own)
        if isinstance(manifest.spec, ClassifySpec):
            self._truncations = metrics.truncations.labels(*own)
            self._score = Tally(metrics.score.labels(*own))
            self._unknown_token_ratio = Tally(metrics.unknown_token_ratio.labels(*own))
            self._tallies += [self._score, self._unknown_token_ratio]
            self._labels = {label: metrics.labels.labels(*own, label) for label in manifest.spec.labels}
        else:
            for level in USUAL_LEVELS:  # zeros, so that the first outcomes told are an increase
                self.came_true(level, num_inside=0, num_outcomes=0)

    def computed(self, num_rows: int, padding_ratio: float, seconds: float) -> None:
        """The engine has computed one batch."""
        self._batch_rows.observe(num_rows)
        self._rows.inc(num_rows)
        self._padding_ratio.observe(padding_ratio)
        self._inference_seconds.observe(seconds)

    def answered(self, encoding_seconds: float, queue_seconds: float, inference_seconds: float) -> None:
        """The rows of one caller are back."""
        self._queue_wait_seconds.observe(queue_seconds)
        request_record.current().answered(encoding_seconds, inference_seconds)

    def measure_waiting(self, num_requests: int) -> None:
        """So many callers have a place now."""
        self._waiting_requests.set(num_requests)

    def classified(
        self,
        labels: Sequence[str],
        scores: Sequence[float],
        lengths: Sequence[int],
        unknown_token_ratios: Sequence[float],
        num_truncated: int,
    ) -> None:
        """Texts have got their labels; `scores` are those of `reference.score`, lengths count tokens."""
        self._answered += labels
        self._score.observe_all(scores)
        self._unknown_token_ratio.observe_all(unknown_token_ratios)
        if num_truncated:
            self._truncations.inc(num_truncated)
        if self._recent is not None:
            self._recent.add(labels, scores, lengths)

    def count(self) -> None:
        """Count what was noted since the last time, and show how recent texts spread over the bins of the reference."""
        for tally in self._tallies:
            tally.count()
        for label, num_texts in collections.Counter(self._answered).items():
            self._labels[label].inc(num_texts)
        self._answered.clear()
        if self._recent is None or not self._recent.has_news:
            return
        for of, counts in self._recent.counts().items():
            for name, count in counts.items():
                self._recent_rows[of, name].set(count)

    def came_true(self, level: float, *, num_inside: int, num_outcomes: int) -> None:
        """So many intervals of a level in percent, and so many of them held the actual value."""
        whole = str(max(1, round(level)))  # any level may be asked for; whole percents keep the series few
        self._outcomes.labels(*self._own, whole, "true").inc(num_inside)
        self._outcomes.labels(*self._own, whole, "false").inc(num_outcomes - num_inside)
