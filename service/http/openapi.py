"""The OpenAPI document: FastAPI's own, with our one form of error in place of FastAPI's, and the worked examples."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from service.http.examples import OperationExamples, read_examples
from service.http.observer import REQUEST_ID
from service.http.problem import MEDIA_TYPE, Problem, declared, header, problem_response
from service.settings import Settings

_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")
_EVERYWHERE = header(REQUEST_ID, "the id sent with the request, or one given to it; the log names it too")

_BOUNDS = {"x-maximum", "x-maxItems"}

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a key, as `Authorization: Bearer seqserve_…`"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same key, as `X-API-Key`"},
}
"""Ways to send a key."""

TO_KEYS = (
    header("Cache-Control", "`no-store`")
    | header("RateLimit", "what is left of the key's limits, if it has any")
    | header("RateLimit-Policy", "the limits themselves")
)
"""Headers of responses to keys; draft-ietf-httpapi-ratelimit-headers has the form of the last two."""


def operation_id(route: APIRoute) -> str:
    """The name of the route's function: what a generated client calls it."""
    return route.name


def install(
    app: FastAPI, settings: Settings, examples: list[Path], scope_of: Callable[[str], str | None] | None
) -> None:
    """Describe every error as `Problem`, fill in the bounds that schemas name (`"x-maximum": "max_horizon"`), and show
    the examples in these files. `scope_of` gives the scope for a path; None: no keys are required.
    """
    describe = app.openapi

    def describe_with_problems() -> dict[str, Any]:
        document = describe()
        schemas = document["components"]["schemas"]
        if Problem.__name__ not in schemas:
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= {**schema.pop("$defs", {}), Problem.__name__: schema}
            for name in _FASTAPI_ERRORS:
                schemas.pop(name, None)
            _fill_in_bounds(schemas, settings)
            if scope_of is not None:
                document["components"]["securitySchemes"] = SCHEMES
            shown = read_examples(examples)
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    _describe(operation, None if scope_of is None else scope_of(path))
                    _illustrate(operation, shown.get(operation["operationId"], OperationExamples()))
        return document

    app.openapi = describe_with_problems  # type: ignore[method-assign]  # the documented way to extend it


def _fill_in_bounds(schema: Any, settings: Settings) -> None:
    if isinstance(schema, list):
        for part in schema:
            _fill_in_bounds(part, settings)
    elif isinstance(schema, dict):
        for key in _BOUNDS & schema.keys():
            schema[key.removeprefix("x-")] = getattr(settings, schema.pop(key))
        for part in schema.values():
            _fill_in_bounds(part, settings)


def _describe(operation: dict[str, Any], scope: str | None) -> None:
    """What every operation has: headers, and with a scope how to send a key and how it is refused."""
    responses = operation["responses"]
    if scope is not None:
        operation["security"] = [{name: [scope]} for name in SCHEMES]
        for status, response in declared(401, 403, 429).items():
            responses.setdefault(str(status), response)
        for response in responses.values():
            response["headers"] = TO_KEYS | response.get("headers", {})
    if _FASTAPI_ERRORS[0] in str(responses.get("422")):
        del responses["422"]  # FastAPI adds it to every route with a path parameter; never sent
    for response in responses.values():
        response["headers"] = _EVERYWHERE | response.get("headers", {})


def _illustrate(operation: dict[str, Any], shown: OperationExamples) -> None:
    """Put the examples of an operation where OpenAPI wants them; given to FastAPI, they would lose every null."""
    for example in shown.examples:
        if "requestBody" in operation:
            _add(operation["requestBody"]["content"]["application/json"], example.summary, value=example.sent)
        for parameter in operation.get("parameters", []):
            _add(parameter, example.summary, value=example.sent[parameter["name"]])
        if example.answer is not None:
            answered = next(iter(operation["responses"]["200"]["content"].values()))
            _add(answered, example.summary, value=example.answer)
    for mistake in shown.mistakes:
        refused = operation["responses"][str(mistake.status)]["content"][MEDIA_TYPE]
        led_to_by = f"```http\n{mistake.sent}\n```" if mistake.sent else mistake.when
        problem = json.loads(bytes(problem_response(mistake.status, mistake.detail, mistake.errors).body))
        _add(refused, mistake.summary, description=led_to_by, value=problem)


def _add(content: dict[str, Any], summary: str, **example: Any) -> None:
    content.setdefault("examples", {})[summary] = {"summary": summary, **example}
