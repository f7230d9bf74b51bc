"""POST /outcomes: what came true, counted by level, all or nothing."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

GOOD = {"level": 80, "lower": 1.0, "upper": 2.0, "actual": 1.5}


def tell(client: TestClient, *outcomes: Any, model: str = "ridership", version: Any = 1) -> Any:
    return client.post("/outcomes", json={"model": model, "version": version, "outcomes": list(outcomes)})


def test_outcomes_are_counted_by_level(client: TestClient) -> None:
    response = tell(client, GOOD, GOOD | {"actual": 2.5}, GOOD | {"level": 92.5}, GOOD | {"actual": 2})
    assert response.status_code == 200
    assert response.json() == {
        "model": "ridership-wavenet",
        "version": 1,
        "levels": {
            "80": {"num_outcomes": 3, "num_inside": 2, "coverage": 0.666667},
            "92.5": {"num_outcomes": 1, "num_inside": 1, "coverage": 1.0},
        },
    }


def test_a_forecast_can_be_told_back_as_it_came(client: TestClient) -> None:
    asked = {"model": "ridership", "values": [700000.0, 710000.0, 690000.0], "horizon": 3}
    answer = client.post("/forecast", json=asked).json()
    outcomes = [
        {"level": float(level), "lower": lower, "upper": upper, "actual": 700000.0}
        for level, ends in answer["forecasts"][0]["intervals"].items()
        for lower, upper in zip(ends["lower"], ends["upper"], strict=True)
    ]
    response = tell(client, *outcomes, model=answer["model"], version=answer["version"])
    assert {level: found["num_outcomes"] for level, found in response.json()["levels"].items()} == {"80": 3, "95": 3}


@pytest.mark.parametrize(
    ("outcomes", "place"),
    [
        ([], ["outcomes"]),
        ([GOOD | {"level": 0}], ["outcomes", 0, "level"]),
        ([GOOD, GOOD | {"level": 99}], ["outcomes", 1, "level"]),
        ([GOOD | {"lower": 3.0}], ["outcomes", 0]),
        ([GOOD | {"actual": None}], ["outcomes", 0, "actual"]),
        ([GOOD | {"actual": "1"}], ["outcomes", 0, "actual"]),
        ([GOOD | {"actual": 1e999}], ["outcomes", 0, "actual"]),
        ([GOOD | {"comment": "no"}], ["outcomes", 0]),
        ([GOOD] * 10_001, ["outcomes"]),
        ("many", ["outcomes"]),
    ],
)
def test_malformed_outcomes_are_refused_with_their_place(client: TestClient, outcomes: Any, place: list[Any]) -> None:
    body = {"model": "ridership", "version": 1, "outcomes": outcomes}
    text = json.dumps(body).replace("Infinity", "1e999")
    response = client.post("/outcomes", content=text, headers={"Content-Type": "application/json"})
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["loc"] == place


def test_the_version_must_be_named(client: TestClient) -> None:
    response = client.post("/outcomes", json={"model": "ridership", "outcomes": [GOOD]})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["version"])


def test_unknown_models_and_versions_are_not_found(client: TestClient) -> None:
    assert tell(client, GOOD, model="none").status_code == 404
    assert tell(client, GOOD, version=99).status_code == 404


def test_a_classifier_has_no_outcomes(client: TestClient) -> None:
    response = tell(client, GOOD, model="spam")
    assert response.status_code == 422
    assert "labels texts" in response.json()["errors"][0]["msg"]
