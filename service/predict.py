"""The core call: inputs in, answers out. Free of HTTP, pydantic and context variables; codecs call it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.catalog.catalog import Catalog
from service.engine.admission import Admission
from service.errors import FieldError, Invalid
from service.settings import Settings
from service.tasks.task import Task
from service.telemetry.request_record import RequestRecord


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model answers: one result per input, in order."""

    model: str
    """Name of the bundle that answered."""
    version: int
    results: Sequence[Any]
    """As the task gives them."""


@dataclass(eq=False)
class Predictor:
    """Answers calls with the models of a catalog."""

    tasks: Mapping[str, Task]
    catalog: Catalog
    settings: Settings

    async def predict(
        self,
        task: str,
        model: str,
        version: int | None,
        inputs: Sequence[Any],
        options: Any,
        deadline: float,
        identity: RequestRecord,
    ) -> Answers:
        """Answer one call. `deadline` is by the event loop's clock; rows are charged to `identity`.

        Raises `Invalid`, with field paths that begin with `inputs` or the name of an option; `NotFound`,
        `NotReady`, `QueueFull`, `DeadlineExceeded`, and what `identity.charge` raises.
        """
        entry = self.tasks[task]
        entry.check(inputs, options, self.settings)
        loaded = self.catalog.find(model, version) or await self.catalog.load(model, version, deadline)
        if loaded.task is not entry:
            raise Invalid([FieldError(("model",), loaded.task.mismatch)])
        manifest = loaded.manifest
        identity.answered_by(manifest.name, manifest.version, len(inputs))
        with Admission(loaded.engine.batcher, deadline, len(inputs)) as admission:
            results = await loaded.engine.answer(inputs, options, admission, identity)
        return Answers(manifest.name, manifest.version, results)
