"""A version on disk to one that answers: read and verified, loaded, and proved by its golden samples.

The tokenizer must give the ids that were recorded, the graph the outputs that torch gave. Models of one family mostly
share a tokenizer: one of the same content is held once.
"""

import hashlib
import json
import logging
import weakref
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bundle.golden import Golden, GoldenMismatch, replay
from bundle.graph import check_graph
from bundle.manifest import GOLDEN_FILE, MODEL_FILE, REPORT_FILE, TOKENIZER_FILE, ClassifySpec, Manifest
from bundle.reference import Reference
from bundle.store import Bundle, BundleError, BundleUnreadable, read_bundle, read_reference
from bundle.text import TextEncoder
from service.batcher import Batcher, Limits
from service.memory import allocated_bytes
from service.metrics import Metrics, ModelMetrics
from service.runtime import InferenceFailed, Runtime
from service.settings import Settings

logger = logging.getLogger(__name__)

REASONS = (ValueError, InferenceFailed)  # BundleError, ModelUnusable and GoldenMismatch are ValueErrors
"""What a version is known to be refused for."""


@dataclass(frozen=True)
class Proven:
    """One version that has proved itself: what is kept of it, whether it is in memory or not."""

    manifest: Manifest
    metrics: ModelMetrics
    reference: Reference | None
    report: bytes = field(repr=False)
    """`report.json`, a JSON object."""


@dataclass(frozen=True)
class Served(Proven):
    """One proven version in memory, ready to answer."""

    batcher: Batcher
    encoder: TextEncoder | None
    num_bytes: int
    """By how much the process grew when it was loaded; no less than the size of its graph."""


@dataclass(frozen=True)
class Refused:
    """Why a version must not answer, and when that is to be looked at again."""

    reason: str
    modified: int | None
    """When it last changed, in nanoseconds; None: it couldn't be read, and is to be tried again."""


class Loader:
    """Loads versions; blocks, so it is for a thread, one call at a time.

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

    def load(self, folder: Path, before: Proven | None = None) -> Served | Refused:
        """Load one version and let it prove itself; never raises for what is wrong with it.

        Args:
            folder: of the version.
            before: what is known of the version from when it was loaded earlier; its figures go on.
        """
        modified = last_modified(folder)
        allocated = allocated_bytes()
        try:
            proven, runtime, encoder, graph_bytes = self._prove(folder, before)
        except Exception as error:  # whatever is wrong with one bundle must not keep the others from answering
            known = isinstance(error, REASONS)
            if not known:
                logger.exception("%s version %s failed in a way not foreseen", folder.parent.name, folder.name)
            reason = str(error) if known else f"{type(error).__name__}: {error}"
            return Refused(reason, None if isinstance(error, BundleUnreadable) else modified)
        settings = self._settings
        batcher = Batcher(
            compute=runtime.run,
            executor=self._inference,
            limits=Limits(settings.max_batch_rows, settings.max_batch_elements, settings.max_waiting_requests),
            watcher=proven.metrics,
            padded=frozenset(spec.name for spec in proven.manifest.inputs if "time" in spec.shape),
        )
        grown = max(allocated_bytes() - allocated, graph_bytes)
        return Served(**vars(proven), batcher=batcher, encoder=encoder, num_bytes=grown)

    def _prove(self, folder: Path, before: Proven | None) -> tuple[Proven, Runtime, TextEncoder | None, int]:
        bundle = read_bundle(folder)
        manifest = bundle.manifest
        graph = bundle.files[MODEL_FILE]
        check_graph(graph)
        runtime = Runtime(graph, manifest.inputs, manifest.outputs)
        golden = Golden.from_bytes(bundle.files[GOLDEN_FILE])
        for kind, recorded, specs in (
            ("inputs", golden.inputs, manifest.inputs),
            ("outputs", golden.outputs, manifest.outputs),
        ):
            if set(recorded) != {spec.name for spec in specs}:
                raise GoldenMismatch(f"golden samples must record the manifest's {kind}")
        encoder = None
        if isinstance(manifest.spec, ClassifySpec):
            encoder = self._encoder(bundle.files[TOKENIZER_FILE], manifest.spec.max_tokens)
            _prove_tokenizer(encoder, golden)
        replay(golden, runtime.run)
        report = _report(bundle)
        if before is None or before.manifest != manifest:
            reference = read_reference(bundle)
            before = Proven(manifest, ModelMetrics(self._metrics, manifest, reference), reference, report)
        return before, runtime, encoder, len(graph)

    def _encoder(self, tokenizer: bytes, max_tokens: int) -> TextEncoder:
        key = hashlib.sha256(tokenizer).hexdigest(), max_tokens
        encoder = self._encoders.get(key)
        if encoder is None:
            encoder = self._encoders[key] = TextEncoder(tokenizer.decode(), max_tokens)
        return encoder


def last_modified(folder: Path) -> int:
    """When a folder or anything in it last changed, in nanoseconds; 0 if it can't be told."""
    try:
        states = [folder.stat(), *(path.lstat() for path in folder.iterdir())]
        return max(max(state.st_mtime_ns, state.st_ctime_ns) for state in states)
    except OSError:
        return 0


def _report(bundle: Bundle) -> bytes:
    """The report, an empty one where there is none. Raises `BundleError` if it is no JSON object."""
    content = bundle.files.get(REPORT_FILE, b"{}")
    try:
        report = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{REPORT_FILE} is not JSON") from error
    if not isinstance(report, dict):
        raise BundleError(f"{REPORT_FILE} is not a JSON object")
    return content


def _prove_tokenizer(encoder: TextEncoder, golden: Golden) -> None:
    """Raises `GoldenMismatch` unless the recorded texts still become the recorded ids."""
    recorded = golden.inputs.get("ids")
    if not golden.texts or recorded is None:
        raise GoldenMismatch("golden samples of a classifier must record texts and ids")
    ids = encoder.encode_padded(golden.texts)
    if not np.array_equal(ids, recorded):
        raise GoldenMismatch("the tokenizer no longer gives the ids it was published with")
