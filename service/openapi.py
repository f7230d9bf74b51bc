"""The OpenAPI document: FastAPI's own, with our one form of error in place of FastAPI's."""

from typing import Any

from fastapi import FastAPI

from service.problem import Problem

_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")


def install(app: FastAPI) -> None:
    """Describe every error as `Problem`, which the routes refer to (`problem.declared`)."""
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
        return document

    app.openapi = describe_with_problems  # type: ignore[method-assign]  # the documented way to extend it
