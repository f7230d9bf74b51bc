"""Which bundle answers: reads the store, proves every version by its golden samples, follows aliases and news.

A version is read and verified (`bundle.store`), loaded (`runtime`), and replayed (`bundle.golden`) before it answers.
One that fails any step is refused with its reason and never answers; what answered before goes on. The whole state is
one immutable `Snapshot`, swapped in one step, so a request sees either the old world or the new one.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bundle.golden import Golden, GoldenMismatch, replay
from bundle.manifest import GOLDEN_FILE, MODEL_FILE, REPORT_FILE, TOKENIZER_FILE, ClassifySpec, Manifest
from bundle.reference import Reference
from bundle.store import (
    Alias,
    Bundle,
    BundleError,
    BundleUnreadable,
    list_versions,
    read_aliases,
    read_bundle,
    read_reference,
    version_folder,
)
from bundle.text import TextEncoder
from service.batcher import Batcher, Limits
from service.errors import NotReady, UnknownModel
from service.metrics import Metrics, ModelMetrics
from service.runtime import InferenceFailed, Runtime
from service.settings import Settings

logger = logging.getLogger(__name__)

REASONS = (ValueError, InferenceFailed)  # BundleError, ModelUnusable and GoldenMismatch are ValueErrors
"""What a version is known to be refused for."""

Key = tuple[str, int]
"""Name and version of a bundle."""


@dataclass(frozen=True)
class Served:
    """One proven version, ready to answer."""

    manifest: Manifest
    batcher: Batcher
    metrics: ModelMetrics
    reference: Reference | None
    encoder: TextEncoder | None
    report: Mapping[str, Any] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    """Report, plots: the files of the bundle that are shown, not computed with."""


@dataclass(frozen=True)
class Snapshot:
    """What is served at one moment."""

    versions: Mapping[Key, Served] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    refused: Mapping[Key, str] = field(default_factory=dict)
    fault: str | None = "the store has not been read yet"
    """Why the store as a whole, or its aliases, can't be read; the state before it goes on."""

    def names(self) -> list[str]:
        """Bundle names with at least one proven version."""
        return sorted({name for name, _ in self.versions})

    def proven(self, name: str) -> list[int]:
        """Proven versions of a bundle, ascending."""
        return sorted(version for found, version in self.versions if found == name)

    def find(self, model: str, version: int | None = None) -> Served:
        """What answers for a bundle name or alias. Raises `UnknownModel` or, before the first reading, `NotReady`."""
        alias = self.aliases.get(model)
        name = alias.name if alias else model
        wanted = version if version is not None or alias is None else alias.version
        if wanted is None:
            wanted = max(self.proven(name), default=None)
        served = None if wanted is None else self.versions.get((name, wanted))
        if served is not None:
            return served
        if self.fault and not self.versions:
            raise NotReady("No model is loaded yet.", retry_after_seconds=1)
        if self.proven(name):
            raise UnknownModel("That version of the model is not served; GET /models lists what is.")
        raise UnknownModel("There is no such model; GET /models lists what is served.")

    def key_of(self, model: str) -> Key | None:
        """Name and version of what answers for a bundle name or alias; None when nothing does."""
        try:
            manifest = self.find(model).manifest
        except (UnknownModel, NotReady):
            return None
        return manifest.name, manifest.version


class Catalog:
    """Keeps a `Snapshot` in step with the store.

    Args:
        settings: where the store is, and the limits of the batchers.
        executor: where batches are computed.
        metrics: counts loads and swaps, and what the models answer.
    """

    def __init__(self, settings: Settings, executor: Executor, metrics: Metrics) -> None:
        self._settings = settings
        self._executor = executor
        self._metrics = metrics
        self._refused_as: dict[Key, int | None] = {}  # when what was refused last changed
        self.snapshot = Snapshot()

    def find(self, model: str, version: int | None = None) -> Served:
        """What answers now; see `Snapshot.find`."""
        return self.snapshot.find(model, version)

    def unready(self) -> list[str]:
        """Reasons why the service isn't ready; empty when every required model has proved itself."""
        snapshot = self.snapshot
        reasons = [f"the store: {snapshot.fault}"] if snapshot.fault else []
        required = self._settings.required_models or list(snapshot.aliases)
        reasons += [f"{model}: no version has proved itself" for model in required if snapshot.key_of(model) is None]
        if not required and not snapshot.versions and not snapshot.fault:
            reasons.append("the store: it holds no bundle that has proved itself")
        return reasons

    async def watch(self) -> None:
        """Follow the store until cancelled."""
        while True:
            await asyncio.sleep(self._settings.store_poll_seconds)
            try:
                await asyncio.to_thread(self.refresh)
            except Exception:  # the watch must outlive any one reading
                logger.exception("reading the store failed")

    def refresh(self) -> None:
        """Read the store once and swap the snapshot. Blocks; for a thread, one call at a time."""
        before = self.snapshot
        store = self._settings.store
        try:
            present = {(name, version) for name, found in list_versions(store).items() for version in found}
        except OSError as error:
            self._swap(Snapshot(before.versions, before.aliases, before.refused, f"can't be read: {error.strerror}"))
            return
        versions = {key: served for key, served in before.versions.items() if key in present}
        refused = {key: reason for key, reason in before.refused.items() if key in present}
        for key in sorted(present - versions.keys()):
            modified = _modified(version_folder(store, *key))
            if key in refused and self._refused_as.get(key) == modified:
                continue  # unchanged since it was refused
            try:
                versions[key] = self._load(read_bundle(version_folder(store, *key)))
                refused.pop(key, None)
                self._metrics.loads.labels(*key, "proved").inc()
                logger.info("%s version %d proved itself and is served", *key)
            except Exception as error:  # whatever is wrong with one bundle must not keep the others from answering
                if not isinstance(error, REASONS):
                    logger.exception("%s version %d failed in a way not foreseen", *key)
                reason = str(error) if isinstance(error, REASONS) else f"{type(error).__name__}: {error}"
                if refused.get(key) != reason:
                    self._metrics.loads.labels(*key, "refused").inc()
                    logger.error("%s version %d is refused: %s", *key, reason)
                refused[key] = reason
                # What couldn't be read is tried again each time; what was read and refused, when it has changed.
                self._refused_as[key] = None if isinstance(error, BundleUnreadable) else modified
        fault = None
        aliases = before.aliases
        try:
            aliases = read_aliases(store)
        except BundleError as error:
            fault = str(error)
        self._swap(Snapshot(versions, aliases, refused, fault))

    def _swap(self, after: Snapshot) -> None:
        if after.fault and after.fault != self.snapshot.fault:
            logger.error("the store %s: %s", self._settings.store, after.fault)
        for alias in after.aliases:
            self._metrics.swaps.labels(alias)  # 0 from the start, so that the first swap is an increase
        for alias in after.aliases.keys() & self.snapshot.aliases.keys():
            was, now = self.snapshot.key_of(alias), after.key_of(alias)
            if was is not None and was != now:
                self._metrics.swaps.labels(alias).inc()
                logger.info("%s is answered by %s now", alias, "none" if now is None else f"{now[0]} version {now[1]}")
        self.snapshot = after

    def _load(self, bundle: Bundle) -> Served:
        manifest = bundle.manifest
        runtime = Runtime(bundle.files[MODEL_FILE], manifest.inputs, manifest.outputs)
        golden = Golden.from_bytes(bundle.files[GOLDEN_FILE])
        for kind, recorded, specs in (
            ("inputs", golden.inputs, manifest.inputs),
            ("outputs", golden.outputs, manifest.outputs),
        ):
            if set(recorded) != {spec.name for spec in specs}:
                raise GoldenMismatch(f"golden samples must record the manifest's {kind}")
        encoder = None
        if isinstance(manifest.spec, ClassifySpec):
            encoder = TextEncoder(bundle.files[TOKENIZER_FILE].decode(), manifest.spec.max_tokens)
            _prove_tokenizer(encoder, golden)
        replay(golden, runtime.run)
        settings = self._settings
        reference = read_reference(bundle)
        metrics = ModelMetrics(self._metrics, manifest, reference)
        batcher = Batcher(
            compute=runtime.run,
            executor=self._executor,
            limits=Limits(settings.max_batch_rows, settings.max_batch_elements, settings.max_waiting_requests),
            watcher=metrics,
            padded=frozenset(spec.name for spec in manifest.inputs if "time" in spec.shape),
        )
        computed_with = {MODEL_FILE, GOLDEN_FILE, TOKENIZER_FILE}
        shown = {name: content for name, content in bundle.files.items() if name not in computed_with}
        return Served(manifest, batcher, metrics, reference, encoder, _report(bundle), shown)


def _report(bundle: Bundle) -> dict[str, Any]:
    """The report, empty where there is none. Raises `BundleError` if it is no JSON object."""
    try:
        report = json.loads(bundle.files.get(REPORT_FILE, b"{}"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{REPORT_FILE} is not JSON") from error
    if not isinstance(report, dict):
        raise BundleError(f"{REPORT_FILE} is not a JSON object")
    return report


def _modified(folder: Path) -> int:
    """When a folder or anything in it last changed, in nanoseconds; 0 if it can't be told."""
    try:
        states = [folder.stat(), *(path.lstat() for path in folder.iterdir())]
        return max(max(state.st_mtime_ns, state.st_ctime_ns) for state in states)
    except OSError:
        return 0


def _prove_tokenizer(encoder: TextEncoder, golden: Golden) -> None:
    """Raises `GoldenMismatch` unless the recorded texts still become the recorded ids."""
    recorded = golden.inputs.get("ids")
    if not golden.texts or recorded is None:
        raise GoldenMismatch("golden samples of a classifier must record texts and ids")
    ids = encoder.encode_padded(golden.texts)
    if not np.array_equal(ids, recorded):
        raise GoldenMismatch("the tokenizer no longer gives the ids it was published with")
