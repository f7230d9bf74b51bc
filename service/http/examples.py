"""Worked examples of the OpenAPI document: what to send, what comes back, which mistake gets which error.

They are data: `examples.json` here for the routes of every service, one beside each task for its own. An operation has

- `examples`: `summary`, `sent` (the JSON body, or path parameters by name), `answer` (left out where it is too long);
- `mistakes`: `status`, `summary`, `detail`, `errors`, and what leads to it: `sent` (HTTP) or `when` (in words);
- `shared`: groups of mistakes that several operations have.

Tests send all of them to the shipped models, and compare answers in shape: scores and versions change with each fit.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from service.errors import FieldError
from service.http.problem import BY_STATUS, MEDIA_TYPE, problem_response

FILE = Path(__file__).with_name("examples.json")


def read_examples(files: Iterable[Path] = ()) -> dict[str, Any]:
    """By operation id, those of this file and of others, with the shared mistakes filled in."""
    own = json.loads(FILE.read_bytes())
    operations: dict[str, Any] = own["operations"]
    for file in files:
        operations |= json.loads(file.read_bytes())
    for name, content in operations.items():
        route = content.get("route", f"/{name}")
        shared = [mistake for group in content.get("shared", ()) for mistake in own["shared"][group]]
        content["mistakes"] = [
            {**mistake, "sent": mistake.get("sent", "").replace("{route}", route)}
            for mistake in [*shared, *content.get("mistakes", ())]
        ]
    return operations


def illustrate(operation: dict[str, Any], content: dict[str, Any]) -> None:
    """Put the examples of an operation where OpenAPI wants them; given to FastAPI, they would lose every null."""
    for example in content["examples"]:
        summary, sent = example["summary"], example.get("sent", {})
        if "requestBody" in operation:
            _add(operation["requestBody"]["content"]["application/json"], summary, value=sent)
        for parameter in operation.get("parameters", []):
            _add(parameter, summary, value=sent[parameter["name"]])
        if "answer" in example:
            answered = next(iter(operation["responses"]["200"]["content"].values()))
            _add(answered, summary, value=example["answer"])
    for mistake in content["mistakes"]:
        refused = operation["responses"][str(mistake["status"])]["content"][MEDIA_TYPE]
        faults = [FieldError(**fault) for fault in mistake.get("errors", ())]
        response = problem_response(BY_STATUS[mistake["status"]], mistake["detail"], faults)
        led_to_by = f"```http\n{mistake['sent']}\n```" if mistake["sent"] else mistake["when"]
        _add(refused, mistake["summary"], description=led_to_by, value=json.loads(bytes(response.body)))


def _add(content: dict[str, Any], summary: str, **example: Any) -> None:
    content.setdefault("examples", {})[summary] = {"summary": summary, **example}
