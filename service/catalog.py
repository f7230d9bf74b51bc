"""Which bundle answers: reads the store, proves every version by its golden samples, follows aliases and news.

A version is read and verified (`bundle.store`), loaded (`runtime`), and replayed (`bundle.golden`) before it answers.
One that fails any step is refused with its reason and never answers; what answered before goes on. The whole state is
one immutable `Snapshot`, swapped in one step, so a request sees either the old world or the new one.
"""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bundle.golden import Golden, GoldenMismatch, replay
from bundle.manifest import GOLDEN_FILE, MODEL_FILE, TOKENIZER_FILE, ClassifySpec, Manifest
from bundle.store import Alias, Bundle, BundleError, list_versions, read_aliases, read_bundle, version_folder
from bundle.text import TextEncoder, pad
from service.batcher import Batcher, Limits
from service.errors import NotReady, UnknownModel
from service.runtime import InferenceFailed, ModelUnusable, Runtime
from service.settings import Settings

logger = logging.getLogger(__name__)

Key = tuple[str, int]
"""Name and version of a bundle."""


@dataclass(frozen=True)
class Served:
    """One proven version, ready to answer."""

    manifest: Manifest
    batcher: Batcher
    encoder: TextEncoder | None
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


class Catalog:
    """Keeps a `Snapshot` in step with the store.

    Args:
        settings: where the store is, and the limits of the batchers.
        executor: where batches are computed.
    """

    def __init__(self, settings: Settings, executor: Executor) -> None:
        self._settings = settings
        self._executor = executor
        self._refused_as: dict[Key, int] = {}  # modification time of the folder that was refused
        self.snapshot = Snapshot()

    def find(self, model: str, version: int | None = None) -> Served:
        """What answers now; see `Snapshot.find`."""
        return self.snapshot.find(model, version)

    def unready(self) -> list[str]:
        """Reasons why the service isn't ready; empty when every required model has proved itself."""
        snapshot = self.snapshot
        reasons = [f"the store: {snapshot.fault}"] if snapshot.fault else []
        required = self._settings.required_models or list(snapshot.aliases)
        for model in required:
            try:
                snapshot.find(model)
            except (UnknownModel, NotReady):
                reasons.append(f"{model}: no version has proved itself")
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
                logger.info("%s version %d proved itself and is served", *key)
            except (BundleError, ModelUnusable, GoldenMismatch, InferenceFailed, ValueError) as error:
                refused[key] = str(error)
                self._refused_as[key] = modified
                logger.error("%s version %d is refused: %s", *key, error)
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
        self.snapshot = after

    def _load(self, bundle: Bundle) -> Served:
        manifest = bundle.manifest
        runtime = Runtime(bundle.files[MODEL_FILE], manifest.inputs, manifest.outputs)
        golden = Golden.from_bytes(bundle.files[GOLDEN_FILE])
        encoder = None
        if isinstance(manifest.spec, ClassifySpec):
            encoder = TextEncoder(bundle.files[TOKENIZER_FILE].decode(), manifest.spec.max_tokens)
            _prove_tokenizer(encoder, golden)
        replay(golden, runtime.run)
        settings = self._settings
        batcher = Batcher(
            compute=runtime.run,
            executor=self._executor,
            limits=Limits(settings.max_batch_rows, settings.max_batch_elements, settings.max_waiting_requests),
            padded=frozenset(spec.name for spec in manifest.inputs if "time" in spec.shape),
        )
        computed_with = {MODEL_FILE, GOLDEN_FILE, TOKENIZER_FILE}
        shown = {name: content for name, content in bundle.files.items() if name not in computed_with}
        return Served(manifest, batcher, encoder, shown)


def _modified(folder: Path) -> int:
    """When a folder or anything in it last changed, in nanoseconds; 0 if it can't be told."""
    try:
        return max([folder.stat().st_mtime_ns, *(path.lstat().st_mtime_ns for path in folder.iterdir())])
    except OSError:
        return 0


def _prove_tokenizer(encoder: TextEncoder, golden: Golden) -> None:
    """Raises `GoldenMismatch` unless the recorded texts still become the recorded ids."""
    recorded = golden.inputs.get("ids")
    if not golden.texts or recorded is None:
        raise GoldenMismatch("golden samples of a classifier must record texts and ids")
    ids = pad([encoder.encode(text).ids for text in golden.texts])
    if not np.array_equal(ids, recorded):
        raise GoldenMismatch("the tokenizer no longer gives the ids it was published with")
