"""A version on disk to one that answers: read and verified, loaded, and proved by its golden samples.

Models of one family mostly share a tokenizer: one of the same content is held once.
"""

import hashlib
import logging
import weakref
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.manifest import MODEL_FILE, Manifest
from bundle.store import Bundle, read_bundle
from bundle.tasks.classify.reference import Reference
from bundle.tasks.classify.text import TextEncoder
from bundle.tasks.forecast.spec import ForecastSpec
from service.catalog.rejected import Rejected
from service.catalog.self_test import prove, refusal
from service.engine.batcher import Batcher, Limits
from service.engine.memory import allocated_bytes
from service.settings import Settings
from service.tasks.classify.labels import Labeller
from service.tasks.classify.text_batcher import TextBatcher, TextEngine
from service.tasks.forecast.engine import Columns, Quantiles, SeriesEngine
from service.telemetry.metrics import Metrics, ModelMetrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TestedVersion:
    """One version that has proved itself: what is kept of it, whether it is in memory or not."""

    manifest: Manifest
    digest: str
    """Of the bundle it was."""
    metrics: ModelMetrics
    reference: Reference | None
    report: bytes = field(repr=False)
    """`report.json`, a JSON object."""


@dataclass(frozen=True)
class LoadedModel(TestedVersion):
    """One proven version in memory, ready to answer."""

    batcher: Batcher[Any, Any]
    num_bytes: int
    """By how much the process grew when it was loaded; no less than the size of its graph."""


@dataclass(frozen=True)
class Classifier(LoadedModel):
    """One that labels texts."""

    batcher: TextBatcher
    labeller: Labeller


@dataclass(frozen=True)
class Forecaster(LoadedModel):
    """One that continues series."""

    batcher: Batcher[Columns, Quantiles]
    spec: ForecastSpec


class Loader:
    """Loads versions; blocks, so it is for threads.

    Args:
        settings: the limits of the batchers.
        inference: where batches are computed.
        metrics: of the process.
    """

    def __init__(self, settings: Settings, inference: Executor, metrics: Metrics) -> None:
        self._settings = settings
        self._inference = inference
        self._metrics = metrics
        self._encoders: weakref.WeakValueDictionary[tuple[str, int], TextEncoder] = weakref.WeakValueDictionary()

    def read(self, folder: Path) -> Bundle | Rejected:
        """Read and verify one version; all that the disk is needed for. Never raises for what is wrong with it."""
        try:
            return read_bundle(folder)
        except Exception as error:  # whatever is wrong with one bundle must not keep the others from answering
            return _refused(folder.parent.name, folder.name, error)

    def load(self, bundle: Bundle, before: TestedVersion | None = None) -> LoadedModel | Rejected:
        """Let one version prove itself, one call at a time; never raises for what is wrong with it.

        Args:
            bundle: as it was read.
            before: what is known of the version from when it was loaded earlier; its figures go on.
        """
        manifest, settings = bundle.manifest, self._settings
        allocated = allocated_bytes()
        try:
            proof = prove(bundle, self._encoder)
        except Exception as error:  # as above
            return _refused(manifest.name, str(manifest.version), error)
        if before is None or before.manifest != manifest:
            metrics = ModelMetrics(self._metrics, manifest, proof.reference)
        else:
            manifest, metrics = before.manifest, before.metrics
        limits = Limits(settings.max_batch_rows, settings.max_batch_elements, settings.max_waiting_requests)
        grown = max(allocated_bytes() - allocated, len(bundle.files[MODEL_FILE]))
        proven = TestedVersion(manifest, bundle.digest, metrics, proof.reference, proof.report)
        run, spec = proof.runtime.run, manifest.spec
        if isinstance(spec, ForecastSpec):
            series = Batcher(SeriesEngine(run), self._inference, limits, metrics)
            return Forecaster(**vars(proven), batcher=series, num_bytes=grown, spec=spec)
        assert proof.encoder is not None
        texts = TextBatcher(TextEngine(run), self._inference, limits, metrics, encoder=proof.encoder)
        return Classifier(**vars(proven), batcher=texts, num_bytes=grown, labeller=Labeller(spec))

    def _encoder(self, tokenizer_json: str, max_tokens: int) -> TextEncoder:
        key = hashlib.sha256(tokenizer_json.encode()).hexdigest(), max_tokens
        encoder = self._encoders.get(key)
        if encoder is None:
            encoder = self._encoders[key] = TextEncoder(tokenizer_json, max_tokens)
        return encoder


def _refused(name: str, version: str, error: Exception) -> Rejected:
    refused = refusal(error)
    if refused.why == "defect":
        logger.error("%s version %s failed in a way not foreseen", name, version, exc_info=error)
    return refused


def last_modified(folder: Path) -> int:
    """When a folder or anything in it last changed, in nanoseconds; 0 if it can't be told."""
    try:
        states = [folder.stat(), *(path.lstat() for path in folder.iterdir())]
        return max(max(state.st_mtime_ns, state.st_ctime_ns) for state in states)
    except OSError:
        return 0
