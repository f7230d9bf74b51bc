"""What a task is to the service: one entry of `TASKS`. Everything outside of a task's own folder asks its entry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Metric
from pydantic import BaseModel

from bundle.store import Bundle
from service.engine.admission import Admission
from service.engine.batcher import Batcher, Limits
from service.settings import Settings
from service.telemetry.request_record import RequestRecord


@dataclass(frozen=True)
class Resources:
    """What an engine is given, beside its model."""

    settings: Settings
    limits: Limits
    inference: Executor
    """Where batches are computed."""
    encoding: Executor
    """Where long inputs are encoded: not where batches are computed, so that they don't hold those up."""


class Engine(Protocol):
    """One model in memory, ready to answer."""

    @property
    def batcher(self) -> Batcher[Any, Any]:
        """Of the model."""

    async def answer(
        self, inputs: Any, options: Any, admission: Admission, identity: RequestRecord, /
    ) -> Sequence[Any]:
        """One result per input. Raises `Invalid`, `TimeoutError`, and what `identity.charge` raises."""


class VersionMetrics(Protocol):
    """The task's own metrics of one version."""

    def flush(self) -> None:
        """Bring the instruments up to date; called each second and before a scrape."""


class TaskMetrics(Protocol):
    """The task's own instruments of one process."""

    def of(self, bundle: Bundle, assets: Any) -> VersionMetrics:
        """Those of one version; `assets` as `bundle.tasks.Task.self_test` gave them."""

    def derived(self, instruments: Mapping[str, Metric], versions: Mapping[tuple[str, int], Any]) -> Iterator[Metric]:
        """Metrics computed from all workers' instruments, by name, and from each version's `VersionMetrics`."""


@dataclass(frozen=True)
class Task:
    """One task."""

    name: str
    """As `spec.task` of a manifest has it."""
    title: str
    """What the page calls it: a verb."""
    page: Path
    """Folder of its part of the page, served under `/assets/<name>/`; each file may be absent.

    - `view.html`: the panel behind its tab. Ids begin with `<name>-`; `<name>-model` is the select of models.
    - `view.css`: its style sheet.
    - `view.js`: a module that exports any of `start()`, called when the panel is first shown, once; `redraw()`, called
      after a change of theme; `describe(model)`, one line on the tile of an entry of `GET /models`; `facts(spec)`, rows
      `[term, value]` on the card.
    - Modules that these import.
    """
    examples: Path
    """Worked examples of its routes, JSON: see `http.examples`."""
    mismatch: str
    """What to do with a model of this task that another task's route was asked for."""
    routes: Callable[[], Sequence[APIRoute]]
    """Makes its routes; a key needs the scope `predict` for them."""
    check: Callable[[Any, Any, Settings], None]
    """Inputs, options and settings: raises `Invalid` beyond the service's limits."""
    engine: Callable[..., Engine]
    """Spec, assets of the self-test, graph, counts of batches, metrics, resources: the model, ready to answer."""
    metrics: Callable[[CollectorRegistry], TaskMetrics]
    """Registers its instruments."""
    summary: type[BaseModel]
    """Fields that it adds to a model's entry of `GET /models`; each has a default, for models of other tasks."""
    summarise: Callable[[Any], BaseModel]
    """Spec to `summary`."""
