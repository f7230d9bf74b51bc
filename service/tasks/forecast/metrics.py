"""Prometheus metrics of forecasting: how many intervals held the actual values."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import GaugeMetricFamily

from bundle.store import Bundle
from service.telemetry.metrics import MODEL

USUAL_LEVELS = (80, 95)
"""Levels in percent that `POST /forecast` gives unless asked for others."""


class ForecastMetrics:
    """The instruments."""

    def __init__(self, registry: CollectorRegistry) -> None:
        known = "Intervals whose actual value became known, by level in percent and whether it lay inside"
        self.outcomes = Counter("seqserve_outcomes", known, (*MODEL, "level", "inside"), registry=registry)

    def of(self, bundle: Bundle, _assets: None) -> "ForecasterMetrics":
        """Those of one version."""
        return ForecasterMetrics(self, bundle)

    def derived(
        self, instruments: Mapping[str, Metric], _versions: Mapping[tuple[str, int], object]
    ) -> Iterator[Metric]:
        """Coverage of the intervals."""
        outcomes = instruments.get("seqserve_outcomes")
        by_level = (*MODEL, "level")
        held = "Share of the intervals of one level in percent that held what came true, since the start"
        coverage = GaugeMetricFamily("seqserve_interval_coverage", held, labels=by_level)
        wanted = "What seqserve_interval_coverage should be: the level itself, as a share"
        nominal = GaugeMetricFamily("seqserve_interval_nominal_coverage", wanted, labels=by_level)
        counts: dict[tuple[str, ...], dict[str, float]] = defaultdict(lambda: {"true": 0.0, "false": 0.0})
        for sample in outcomes.samples if outcomes else ():
            key = tuple(sample.labels[name] for name in by_level)
            counts[key][sample.labels["inside"]] += sample.value
        for key, inside in sorted(counts.items()):
            nominal.add_metric(key, float(key[-1]) / 100)
            if num_outcomes := inside["true"] + inside["false"]:
                coverage.add_metric(key, inside["true"] / num_outcomes)
        yield coverage
        yield nominal


class ForecasterMetrics:
    """The metrics of one version."""

    def __init__(self, metrics: ForecastMetrics, bundle: Bundle) -> None:
        self._outcomes = metrics.outcomes
        self._own = (bundle.manifest.name, bundle.manifest.version)
        for level in USUAL_LEVELS:  # zeros, so that the first actuals are an increase
            self.count_actuals(level, num_inside=0, num_actuals=0)

    def count_actuals(self, level: float, *, num_inside: int, num_actuals: int) -> None:
        """Count intervals of a level in percent whose actual values are known, and those of them that held it."""
        whole = str(max(1, round(level)))  # any level may be asked for; whole percents keep the series few
        self._outcomes.labels(*self._own, whole, "true").inc(num_inside)
        self._outcomes.labels(*self._own, whole, "false").inc(num_actuals - num_inside)

    def flush(self) -> None:
        """Nothing is noted without being counted."""
