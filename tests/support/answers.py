"""Answers of the tiny models, checked against the schema of their route."""

from typing import Any

from pydantic import TypeAdapter
from starlette.testclient import TestClient

from service.tasks.classify.schema import ClassifyResponse
from service.tasks.forecast.schema import ForecastResponse


def classify(client: TestClient, **body: Any) -> dict[str, Any]:
    """The answer to `POST /classify`, by default of `spam`."""
    return _answer(client, "/classify", ClassifyResponse, {"model": "spam"} | body)


def forecast(client: TestClient, **body: Any) -> dict[str, Any]:
    """The answer to `POST /forecast`, by default of `ridership`."""
    return _answer(client, "/forecast", ForecastResponse, {"model": "ridership"} | body)


def _answer(client: TestClient, path: str, kind: Any, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = TypeAdapter(kind).validate_python(response.json())
    return answer
