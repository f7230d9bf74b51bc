"""The task online: route, metrics, document, cards; and beside it the other tasks as before."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.settings import Settings
from tests.support.running_app import running_app


@pytest.fixture(scope="module")
def client(vowels_store: Path) -> Iterator[TestClient]:
    with running_app(Settings(store=vowels_store)) as client:
        yield client


def test_it_answers(client: TestClient) -> None:
    answer = client.post("/vowels", json={"model": "vowels", "inputs": ["aria", "glyph hymn", ""]})
    assert answer.status_code == 200
    document = answer.json()
    assert (document["model"], document["version"]) == ("vowels-sum", 1)
    assert [round(count) for count in document["counts"]] == [3, 0, 0]


def test_what_other_tasks_get_is_refused_in_words(client: TestClient) -> None:
    refused = client.post("/classify", json={"model": "vowels", "inputs": "aria"})
    assert refused.json()["errors"] == [{"loc": ["model"], "msg": "This model counts vowels; send it to POST /vowels"}]
    refused = client.post("/vowels", json={"model": "spam", "inputs": ["aria"]})
    assert refused.json()["errors"] == [{"loc": ["model"], "msg": "This model labels texts; send it to POST /classify"}]
    assert client.post("/vowels", json={"model": "vowels", "inputs": []}).status_code == 422
    assert client.post("/vowels", json={"model": "vowels", "inputs": ["a"] * 2000}).status_code == 422


def test_it_is_measured(client: TestClient) -> None:
    client.post("/vowels", json={"model": "vowels", "inputs": ["aria"]})
    shown = client.get("/metrics").text
    assert 'seqserve_vowels_total{model="vowels-sum",version="1"}' in shown
    assert "seqserve_vowels_known" in shown
    assert 'seqserve_requests_total{model="vowels-sum",route="/vowels",status="200",version="1"}' in shown
    assert 'seqserve_batch_rows_count{model="vowels-sum",version="1"}' in shown


def test_it_is_listed(client: TestClient) -> None:
    models = {model["name"]: model for model in client.get("/models").json()["models"]}
    assert (models["vowels-sum"]["task"], models["vowels-sum"]["max_characters"]) == ("vowels", 64)
    assert (models["spam-cnn"]["max_characters"], models["spam-cnn"]["labels"]) == (None, ["ham", "spam"])
    card = client.get("/models/vowels").json()
    assert card["manifest"]["spec"] == {"task": "vowels", "max_characters": 64}
    assert card["baselines"]["mean"]["mae"] > card["metrics"]["mae"]


def test_it_is_documented_with_its_example(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/vowels"]["post"]
    assert "Two texts" in operation["requestBody"]["content"]["application/json"]["examples"]
    assert "422" in operation["responses"]


def test_its_page_is_served(client: TestClient) -> None:
    assert "Count vowels" in client.get("/").text
    assert client.get("/assets/vowels/view.js").status_code == 200
