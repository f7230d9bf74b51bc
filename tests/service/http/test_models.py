"""`GET /models…`: what is served, how good it is, and its plots."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bundle.tasks.forecast.spec import ForecastSpec
from service.http.models import ModelCard, ModelList
from service.settings import Settings
from tests.support.running_app import running_app


def test_list_names_models_aliases_and_versions(client: TestClient) -> None:
    answer = client.get("/models").json()
    assert [(model["name"], model["task"], model["aliases"], model["frequencies"]) for model in answer["models"]] == [
        ("any-frequency", "forecast", ["any"], ["15min", "30min", "h", "D", "B", "W", "MS", "QS", "YS"]),
        ("ridership-wavenet", "forecast", ["ridership"], ["D"]),
        ("spam-cnn", "classify", ["spam"], []),
    ]
    listed = ModelList.model_validate(answer)
    assert listed.aliases["spam"].version == 1
    assert listed.refused == []


@pytest.mark.parametrize("path", ["/models/spam", "/models/spam-cnn", "/models/spam-cnn/versions/1"])
def test_card_shows_figures_beside_baselines(client: TestClient, path: str) -> None:
    card = ModelCard.model_validate(client.get(path).json())
    assert card.name == "spam-cnn"
    assert card.metrics["mcc"] > card.baselines["majority"]["mcc"]
    assert card.manifest.data[0].name == "tiny texts"
    assert card.report is not None
    assert card.report["selection"]["num_epochs"] >= 1


@pytest.mark.parametrize("model", ["spam", "ridership"])
def test_every_file_of_a_card_can_be_fetched(client: TestClient, model: str) -> None:
    files = client.get(f"/models/{model}").json()["files"]
    assert {file.rsplit(".", 1)[1] for file in files} == {"json", "md", "svg"}
    for file in files:
        response = client.get(file)
        assert response.status_code == 200
        assert response.content
        assert response.headers["content-security-policy"].startswith("default-src 'none'")


def test_file_that_changed_on_disk_is_not_shown(store: Path) -> None:
    path = "/models/spam-cnn/versions/1/files/report.md"
    with running_app(Settings(store=store)) as client:
        assert client.get(path).status_code == 200
        (store / "spam-cnn" / "1" / "report.md").write_text("tampered")
        assert client.get(path).status_code == 404
        (store / "spam-cnn" / "1" / "report.md").unlink()
        response = client.get(path)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert client.get("/models/spam").json()["report"]


def test_what_is_computed_with_is_not_shown(client: TestClient) -> None:
    for file in ("model.onnx", "tokenizer.json", "golden.npz", "manifest.json", "nothing.svg"):
        assert client.get(f"/models/spam-cnn/versions/1/files/{file}").status_code == 404


def test_forecast_card_shows_error_by_horizon(client: TestClient) -> None:
    card = client.get("/models/ridership").json()
    assert {"naive", "seasonal_naive", "auto_ets", "seasonal_arima", "ridge_on_lags"} <= set(card["baselines"])
    assert "/models/ridership-wavenet/versions/1/files/error_by_horizon.svg" in card["files"]


def test_card_of_a_model_of_any_frequency_names_none(client: TestClient) -> None:
    card = ModelCard.model_validate(client.get("/models/any").json())
    assert isinstance(card.manifest.spec, ForecastSpec)
    assert (card.manifest.spec.freq, card.manifest.spec.season) == (None, None)
    assert card.manifest.inputs[-1].name == "freq"
