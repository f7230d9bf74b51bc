"""The OpenAPI document: FastAPI's own, with our one form of error in place of FastAPI's, and the worked examples."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from service.http.examples import illustrate, read_examples
from service.http.observer import REQUEST_ID
from service.http.problem import Problem, declared
from service.settings import Settings

_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")
_BOUNDS = {"x-maximum", "x-maxItems"}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


_EVERYWHERE = {REQUEST_ID: _header("the id sent with the request, or one given to it; the log names it too")}

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a key, as `Authorization: Bearer seqserve_…`"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same key, as `X-API-Key`"},
}
"""Ways to send a key."""

TO_KEYS = {
    "Cache-Control": _header("`no-store`"),
    "RateLimit": _header("what is left of the key's limits, if it has any"),
    "RateLimit-Policy": _header("the limits themselves"),
}
"""Headers of responses to keys; draft-ietf-httpapi-ratelimit-headers has the form of the last two."""


def install(
    app: FastAPI, settings: Settings, examples: list[Path], scope_of: Callable[[str], str | None] | None
) -> None:
    """Describe every error as `Problem`, which the routes refer to (`problem.declared`), and show worked examples.

    Args:
        app: whose document it is.
        settings: bounds that schemas name, as in `"x-maximum": "max_horizon"`.
        examples: files of the tasks.
        scope_of: the scope that a key needs for a path; None where no keys are required.
    """
    describe = app.openapi

    def describe_with_problems() -> dict[str, Any]:
        document = describe()
        schemas = document["components"]["schemas"]
        if Problem.__name__ in schemas:  # FastAPI keeps the document
            return document
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {**schema.pop("$defs"), Problem.__name__: schema}
        for name in _FASTAPI_ERRORS:
            schemas.pop(name, None)
        _fill_in_bounds(schemas, settings)
        if scope_of is not None:
            document["components"]["securitySchemes"] = SCHEMES
        shown = read_examples(examples)
        for path, operations in document["paths"].items():
            for operation in operations.values():
                _describe(operation, None if scope_of is None else scope_of(path))
                if operation["operationId"] in shown:
                    illustrate(operation, shown[operation["operationId"]])
        return document

    app.openapi = describe_with_problems  # type: ignore[method-assign]  # the documented way to extend it


def _fill_in_bounds(schema: Any, settings: Settings) -> None:
    if isinstance(schema, dict):
        for key in _BOUNDS & schema.keys():
            schema[key.removeprefix("x-")] = getattr(settings, schema.pop(key))
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
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
