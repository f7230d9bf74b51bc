"""The OpenAPI document: FastAPI's own, with our one form of error in place of FastAPI's, and the worked examples."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from service.examples import WORKED, Mistake, Worked
from service.observer import REQUEST_ID
from service.problem import MEDIA_TYPE, Problem, problem_response

_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")
_ON_EVERY_ANSWER = {
    REQUEST_ID: {
        "description": "the id sent with the request, or one given to it; the log names it too",
        "schema": {"type": "string"},
    }
}


def operation_id(route: APIRoute) -> str:
    """The name of the route's function: what a generated client calls it."""
    return route.name


def install(app: FastAPI) -> None:
    """Describe every error as `Problem`, which the routes refer to (`problem.declared`), and show worked examples."""
    describe = app.openapi

    def describe_with_problems() -> dict[str, Any]:
        document = describe()
        schemas = document["components"]["schemas"]
        if Problem.__name__ not in schemas:
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= {**schema.pop("$defs", {}), Problem.__name__: schema}
            for name in _FASTAPI_ERRORS:
                schemas.pop(name, None)
            for operations in document["paths"].values():
                for operation in operations.values():
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
