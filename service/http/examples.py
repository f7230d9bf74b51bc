"""Worked examples of the OpenAPI document: what to send, what comes back, which mistake gets which error.

They are data: `examples.json` here, one more beside each task. Tests send all of them to the shipped models.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.errors import FieldError

FILE = Path(__file__).with_name("examples.json")


@dataclass(frozen=True)
class Example:
    """A request that is answered; of an answer to `GET` parts may be left out."""

    summary: str
    sent: Any = field(default_factory=dict)
    """The JSON body; where the route takes none, its path parameters by name."""
    answer: Any = None
    """None: the answer is too long to be shown."""


@dataclass(frozen=True)
class Mistake:
    """A request that is refused."""

    status: int
    summary: str
    detail: str
    errors: Sequence[FieldError] = ()
    sent: str = ""
    """The HTTP request, `Content-Type: application/json` understood."""
    when: str = ""
    """The state of the service that leads to it, where the request has no fault."""


@dataclass(frozen=True)
class OperationExamples:
    """What is shown of one operation."""

    examples: Sequence[Example] = ()
    mistakes: Sequence[Mistake] = ()


def read_examples(files: Iterable[Path] = ()) -> dict[str, OperationExamples]:
    """By operation id, those of this file and of others; an operation names the `shared` mistakes that it has, too."""
    own = json.loads(FILE.read_bytes())
    operations: dict[str, Any] = own["operations"]
    for file in files:
        operations |= json.loads(file.read_bytes())
    found = {}
    for name, content in operations.items():
        shared = [mistake for group in content.get("shared", ()) for mistake in own["shared"][group]]
        route = content.get("route", f"/{name}")
        mistakes = [_mistake(mistake, route) for mistake in [*shared, *content.get("mistakes", ())]]
        found[name] = OperationExamples([Example(**example) for example in content["examples"]], mistakes)
    return found


def _mistake(content: Mapping[str, Any], route: str) -> Mistake:
    errors = [FieldError(tuple(error["loc"]), error["msg"]) for error in content.get("errors", ())]
    sent = content.get("sent", "").replace("{route}", route)
    return Mistake(**{**content, "errors": errors, "sent": sent})
