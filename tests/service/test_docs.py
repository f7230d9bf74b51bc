"""`/openapi.json` says what is true, its examples work, and `/docs` needs no network."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.classify import ClassifyResponse
from service.forecast_schema import ForecastResponse


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_examples_of_requests_work(client: TestClient, document: dict[str, Any]) -> None:
    count = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "requestBody" not in operation:
                continue
            reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            schema = document["components"]["schemas"][reference.rsplit("/", 1)[1]]
            for example in schema["examples"]:
                response = client.request(method, path, json=example)
                assert response.status_code == 200, response.text
                count += 1
    assert count == 5


def test_examples_of_responses_have_the_documented_form(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for model in (ClassifyResponse, ForecastResponse):
        for example in schemas[model.__name__]["examples"]:
            model.model_validate(example)


def test_every_error_is_declared_as_problem_json(document: dict[str, Any]) -> None:
    for path, wanted in {
        "/classify": {"400", "404", "413", "415", "422", "429", "503", "504"},
        "/forecast": {"400", "404", "413", "415", "422", "429", "503", "504"},
    }.items():
        responses = document["paths"][path]["post"]["responses"]
        assert set(responses) == {"200"} | wanted
        for status in wanted:
            content = responses[status]["content"]["application/problem+json"]
            assert content["schema"]["$ref"] == "#/components/schemas/Problem"
            assert content["example"]["status"] == int(status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_reference_leads_somewhere(client: TestClient, document: dict[str, Any]) -> None:
    text = client.get("/openapi.json").text
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in document["components"]["schemas"]


def test_pages_name_no_other_host(client: TestClient) -> None:
    for path in ("/", "/docs"):
        page = client.get(path)
        assert page.status_code == 200
        assert not re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", page.text)
        assert "https://" not in page.text
        assert "http://" not in page.text
        for asset in re.findall(r"""(?:src|href)\s*=\s*["'](/[^"']+)["']""", page.text):
            assert client.get(asset).status_code == 200, asset


def test_health_answers_head_too(client: TestClient) -> None:
    for path in ("/livez", "/readyz"):
        assert client.get(path).status_code == 200
        assert client.head(path).status_code == 200
