"""The OpenAPI document: FastAPI's own, with our one form of error in place of FastAPI's, and the worked examples."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from service.access.gate import Scopes, needed_scope
from service.http.examples import WORKED, Mistake, Worked
from service.http.problem import MEDIA_TYPE, Problem, declared, problem_response
from service.telemetry.observer import REQUEST_ID

_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")
_ON_EVERY_ANSWER = {
    REQUEST_ID: {
        "description": "the id sent with the request, or one given to it; the log names it too",
        "schema": {"type": "string"},
    }
}


SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a key, as `Authorization: Bearer seqserve_…`"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same key, as `X-API-Key`"},
}
"""Ways to send a key."""


TO_KEYS = {
    "Cache-Control": {"description": "`no-store`", "schema": {"type": "string"}},
    "RateLimit": {"description": "what is left of the key's limits, if it has any", "schema": {"type": "string"}},
    "RateLimit-Policy": {"description": "the limits themselves", "schema": {"type": "string"}},
}
"""Headers of answers to keys; draft-ietf-httpapi-ratelimit-headers has the form of the last two."""


def operation_id(route: APIRoute) -> str:
    """The name of the route's function: what a generated client calls it."""
    return route.name


def install(app: FastAPI, scopes: Scopes | None) -> None:
    """Describe every error as `Problem`, which the routes refer to (`problem.declared`), and show worked examples.

    With `scopes`, those of each path, also how to send a key, what each route needs and how it refuses.
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
            if scopes is not None:
                document["components"]["securitySchemes"] = SCHEMES
            for path, operations in document["paths"].items():
                scope = needed_scope(scopes, path) if scopes is not None else None
                for operation in operations.values():
                    if scope is not None:
                        operation["security"] = [{name: [scope]} for name in SCHEMES]
                        for status, response in declared(401, 403, 429).items():
                            operation["responses"].setdefault(str(status), response)
                        for response in operation["responses"].values():
                            response["headers"] = TO_KEYS | response.get("headers", {})
                    if _FASTAPI_ERRORS[0] in str(operation["responses"].get("422")):
                        del operation["responses"]["422"]  # added to every route with a path parameter; never sent
                    for response in operation["responses"].values():
                        response["headers"] = _ON_EVERY_ANSWER | response.get("headers", {})
                    _illustrate(operation, WORKED.get(operation["operationId"], Worked([])))
        return document

    app.openapi = describe_with_problems  # type: ignore[method-assign]  # the documented way to extend it


def _illustrate(operation: dict[str, Any], worked: Worked) -> None:
    """Put the examples of an operation where OpenAPI wants them; given to FastAPI, they would lose every null."""
    for example in worked.examples:
        if "requestBody" in operation:
            _add(operation["requestBody"]["content"]["application/json"], example.summary, value=example.sent)
        for parameter in operation.get("parameters", []):
            _add(parameter, example.summary, value=example.sent[parameter["name"]])
        if example.answer is not None:
            answered = next(iter(operation["responses"]["200"]["content"].values()))
            _add(answered, example.summary, value=example.answer)
    for mistake in worked.mistakes:
        refused = operation["responses"][str(mistake.status)]["content"][MEDIA_TYPE]
        led_to_by = f"```http\n{mistake.sent}\n```" if mistake.sent else mistake.when
        _add(refused, mistake.summary, description=led_to_by, value=_problem(mistake))


def _add(place: dict[str, Any], summary: str, **example: Any) -> None:
    place.setdefault("examples", {})[summary] = {"summary": summary, **example}


def _problem(mistake: Mistake) -> Mapping[str, Any]:
    body: dict[str, Any] = json.loads(bytes(problem_response(mistake.status, mistake.detail, mistake.places).body))
    return body
