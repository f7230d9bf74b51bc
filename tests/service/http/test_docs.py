"""`/openapi.json` says what is true, and `/docs` needs no network; `test_examples` has its examples."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


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
