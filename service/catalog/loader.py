"""A version on disk to one that answers: read and verified, self-tested, loaded."""

import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from bundle.manifest import MODEL_FILE, Manifest
from bundle.store import Bundle, read_bundle
from service.catalog.rejected import Rejected
from service.catalog.self_test import rejection, self_test
from service.engine.batcher import Limits
from service.engine.memory import allocated_bytes
from service.settings import Settings
from service.tasks.task import Engine, Resources, Task, VersionMetrics
from service.telemetry.metrics import Metrics, ModelMetrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TestedVersion:
    """One version that has passed its self-test: what is kept of it, whether it is in memory or not."""

    manifest: Manifest
    digest: str
    """Of the bundle."""
    metrics: ModelMetrics
    task_metrics: VersionMetrics
    report: bytes = field(repr=False)
    """`report.json`, a JSON object."""


@dataclass(frozen=True)
class LoadedModel(TestedVersion):
    """One version in memory, ready to answer."""

    task: Task
    engine: Engine
    num_bytes: int
    """By how much the process grew when it was loaded; no less than the size of its graph."""


class Loader:
    """Loads versions; blocks, so it is for threads."""

    def __init__(
        self, settings: Settings, tasks: Mapping[str, Task], metrics: Metrics, inference: Executor, encoding: Executor
    ) -> None:
        limits = Limits(settings.max_batch_rows, settings.max_batch_elements, settings.max_waiting_requests)
        self._resources = Resources(settings, limits, inference, encoding)
        self._tasks = tasks
        self._metrics = metrics

    def read(self, folder: Path) -> Bundle | Rejected:
        """Read and verify one version; all that the disk is needed for. Never raises for what is wrong with it."""
        try:
            return read_bundle(folder)
        except Exception as error:  # whatever is wrong with one bundle must not keep the others from answering
            return _rejected(folder.parent.name, folder.name, error)

    def load(self, bundle: Bundle, before: TestedVersion | None = None) -> LoadedModel | Rejected:
        """Test and load one version; never raises for what is wrong with it. It continues the metrics of `before`."""
        manifest = bundle.manifest
        task = self._tasks[manifest.spec.task]
        allocated = allocated_bytes()
        try:
            tested = self_test(bundle)
        except Exception as error:  # as above
            return _rejected(manifest.name, str(manifest.version), error)
        if before is None or before.manifest != manifest:
            metrics = ModelMetrics(self._metrics, manifest.name, manifest.version)
            task_metrics = self._metrics.tasks[task.name].of(bundle, tested.assets)
        else:
            manifest, metrics, task_metrics = before.manifest, before.metrics, before.task_metrics
        grown = max(allocated_bytes() - allocated, len(bundle.files[MODEL_FILE]))
        engine = task.engine(
            manifest.spec, tested.assets, tested.runtime.run, metrics.batches, task_metrics, self._resources
        )
        return LoadedModel(manifest, bundle.digest, metrics, task_metrics, tested.report, task, engine, grown)


def _rejected(name: str, version: str, error: Exception) -> Rejected:
    rejected = rejection(error)
    if rejected.why == "defect":
        logger.error("%s version %s failed in a way not foreseen", name, version, exc_info=error)
    return rejected


def last_modified(folder: Path) -> int:
    """When a folder or anything in it last changed, in nanoseconds; 0 if that isn't known."""
    try:
        states = [folder.stat(), *(path.lstat() for path in folder.iterdir())]
        return max(max(state.st_mtime_ns, state.st_ctime_ns) for state in states)
    except OSError:
        return 0
