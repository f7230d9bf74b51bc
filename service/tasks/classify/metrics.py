"""Prometheus metrics of classification: labels, scores, truncations, drift."""

import collections
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily

from bundle.store import Bundle
from bundle.tasks.classify.reference import score
from bundle.tasks.classify.self_test import TextAssets
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import EncodedText, TextEncoder
from service.tasks.classify.drift import RecentTexts, stability_index
from service.telemetry.metrics import MODEL, SHARE_BUCKETS, observe_all

SCORE_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1)


class Answer(Protocol):
    """What is counted of a text's answer."""

    @property
    def probabilities(self) -> list[float]:
        """As the graph gave them."""

    @property
    def encoded(self) -> EncodedText:
        """The text."""


class ClassifyMetrics:
    """The instruments."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        self.truncations = counter("seqserve_truncations", "Texts of which only the beginning was read", MODEL)
        self.labels = counter("seqserve_labels", "Texts by the label answered", (*MODEL, "label"))
        shown = "Calibrated probability of the positive label; where there is none, of the label answered"
        self.score = histogram("seqserve_score", shown, MODEL, buckets=SCORE_BUCKETS)
        unknown, name = "Share of one text's tokens that the model's vocabulary lacks", "seqserve_unknown_token_ratio"
        self.unknown_token_ratio = histogram(name, unknown, MODEL, buckets=SHARE_BUCKETS)
        recent, binned = "Recent texts by bin of the bundle's reference; older ones fade out", (*MODEL, "of", "bin")
        self.recent_rows = Gauge("seqserve_recent_rows", recent, binned, multiprocess_mode="livesum", registry=registry)

    def of(self, bundle: Bundle, assets: TextAssets) -> "ClassifierMetrics":
        """Those of one version."""
        return ClassifierMetrics(self, bundle, assets)

    def derived(
        self, instruments: Mapping[str, Metric], versions: Mapping[tuple[str, int], object]
    ) -> Iterator[Metric]:
        """Drift, and the reference that unknown tokens are compared with."""
        index_of = "Population stability index of recent scores, lengths and labels against the bundle's reference"
        drift = GaugeMetricFamily("seqserve_drift_psi", index_of, labels=(*MODEL, "of"))
        mean_of = "Mean of seqserve_unknown_token_ratio over the texts of the bundle's reference"
        unknown = GaugeMetricFamily("seqserve_reference_unknown_token_ratio", mean_of, labels=MODEL)
        references = {
            key: own.reference
            for key, own in sorted(versions.items())
            if isinstance(own, ClassifierMetrics) and own.reference is not None
        }
        recent = instruments.get("seqserve_recent_rows")
        counts: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
        for sample in recent.samples if recent else ():
            labels = sample.labels
            counts[labels["model"], labels["version"], labels["of"]][labels["bin"]] = sample.value
        for (model, version, of), by_bin in sorted(counts.items()):
            reference = references.get((model, int(version)))
            index = None if reference is None else stability_index(reference, of, by_bin)
            if index is not None:
                drift.add_metric((model, version, of), index)
        for (model, number), reference in references.items():
            unknown.add_metric((model, str(number)), reference.unknown_token_ratio)
        yield drift
        yield unknown


class ClassifierMetrics:
    """The metrics of one version."""

    def __init__(self, metrics: ClassifyMetrics, bundle: Bundle, assets: TextAssets) -> None:
        spec = bundle.manifest.spec
        assert isinstance(spec, ClassifySpec)
        own = (bundle.manifest.name, bundle.manifest.version)
        self.reference = reference = assets.reference
        self._spec = spec
        self._recent = RecentTexts(reference) if reference else None
        self._truncations = metrics.truncations.labels(*own)
        self._score = metrics.score.labels(*own)
        self._unknown_token_ratio = metrics.unknown_token_ratio.labels(*own)
        self._labels = {label: metrics.labels.labels(*own, label) for label in spec.labels}
        self._recent_rows = {
            (of, name): metrics.recent_rows.labels(*own, of, name)
            for of, counts in (self._recent.counts() if self._recent else {}).items()
            for name in counts
        }
        self._labels_answered: list[str] = []
        self._scores: list[float] = []
        self._ratios: list[float] = []

    def classified(self, labels: Sequence[str], answers: Sequence[Answer], encoder: TextEncoder) -> None:
        """Note texts and their labels; `flush` counts them."""
        scores = [score(answer.probabilities, self._spec) for answer in answers]
        ids = [answer.encoded.ids for answer in answers]
        self._labels_answered += labels
        self._scores += scores
        self._ratios += map(encoder.unknown_token_ratio, ids)
        if num_truncated := sum(answer.encoded.truncated for answer in answers):
            self._truncations.inc(num_truncated)
        if self._recent is not None:
            self._recent.add(labels, scores, list(map(len, ids)))

    def flush(self) -> None:
        """Count what was noted since the last time, and show recent texts by the bins of the reference."""
        observe_all(self._score, self._scores)
        observe_all(self._unknown_token_ratio, self._ratios)
        for label, num_texts in collections.Counter(self._labels_answered).items():
            self._labels[label].inc(num_texts)
        for noted in (self._scores, self._ratios, self._labels_answered):
            noted.clear()
        if self._recent is None or not self._recent.has_news:
            return
        for of, counts in self._recent.counts().items():
            for name, count in counts.items():
                self._recent_rows[of, name].set(count)
