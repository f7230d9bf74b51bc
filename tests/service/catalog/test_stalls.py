"""A store that stalls: health and what is in memory answer, others are loaded, and it is said what doesn't come."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bundle.store import list_versions, read_bundle, read_published, version_folder
from service.settings import Settings
from tests.support.next_version import publish_next_version
from tests.support.retry import retry_until
from tests.support.running_app import running_app


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While it isn't set, the disk doesn't answer; set at the end, so that no thread is left."""
    monkeypatch.setattr("service.catalog.disk.STALL_SECONDS", 0.2)
    hold = threading.Event()
    yield hold
    hold.set()


def answers(client: TestClient) -> bool:
    forecast = client.post("/forecast", json={"model": "ridership", "values": [1.0]})
    return (
        client.post("/classify", json={"model": "spam", "inputs": "a"}).status_code == 200
        and forecast.status_code == 200
        and client.get("/livez").status_code == 200
    )


def faults(client: TestClient) -> list[str]:
    response = client.get("/readyz")
    assert response.status_code == 200, response.text
    found: list[str] = response.json()["store_faults"]
    return found


def test_stalled_store_holds_up_nothing_that_is_in_memory(
    store: Path, hold: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    num_hanging = 0

    def hang(root: Path) -> dict[str, list[int]]:
        nonlocal num_hanging
        if root == store:  # not of other applications in this process
            num_hanging += 1
            hold.wait(30)
        return list_versions(root)

    with running_app(Settings(store=store, store_poll_seconds=0.02)) as client:
        monkeypatch.setattr("service.catalog.catalog.list_versions", hang)
        retry_until(lambda: bool(faults(client)))
        assert faults(client) == ["the store: it has not answered for 0.2 seconds"]
        assert answers(client)
        assert "seqserve_store_readable 0.0" in client.get("/metrics").text
        assert "seqserve_ready 1.0" in client.get("/metrics").text
        assert any("has not answered" in message for message in caplog.messages)
        time.sleep(0.5)
        assert num_hanging == 1  # nor do threads pile up
        publish_next_version(store, "spam-cnn")
        hold.set()
        retry_until(lambda: client.post("/classify", json={"model": "spam", "inputs": "a"}).json()["version"] == 2)
        assert faults(client) == []
        assert "seqserve_store_readable 1.0" in client.get("/metrics").text


def test_version_that_does_not_come_holds_up_no_other(
    store: Path, hold: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def hang(folder: Path) -> object:
        if folder == version_folder(store, "spam-cnn", 2):
            hold.wait(30)
        return read_bundle(folder)

    with running_app(Settings(store=store, store_poll_seconds=0.02)) as client:
        monkeypatch.setattr("service.catalog.loader.read_bundle", hang)
        publish_next_version(store, "spam-cnn")
        retry_until(lambda: bool(faults(client)))
        assert faults(client) == ["spam-cnn version 2: its files have not come for 0.2 seconds"]
        assert sum("have not come" in message for message in caplog.messages) == 1
        publish_next_version(store, "ridership-wavenet")
        retry_until(lambda: client.post("/forecast", json={"model": "ridership", "values": [1]}).json()["version"] == 2)
        assert answers(client)
        hold.set()
        retry_until(lambda: client.post("/classify", json={"model": "spam", "inputs": "a"}).json()["version"] == 2)
        assert faults(client) == []


def test_service_starts_and_stops_on_a_store_that_does_not_answer(
    store: Path, hold: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(root: Path) -> dict[str, list[int]]:
        if root == store:
            hold.wait(30)
        return list_versions(root)

    monkeypatch.setattr("service.catalog.catalog.list_versions", hang)
    started = time.monotonic()
    with running_app(Settings(store=store)) as client:
        assert client.get("/livez").status_code == 200
        response = client.get("/readyz")
        assert response.status_code == 503
        assert "has not answered" in response.json()["detail"]
    assert time.monotonic() - started < 10


def test_report_that_does_not_come_is_a_503(
    store: Path, hold: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*arguments: object) -> bytes:
        hold.wait(30)
        return read_published(*arguments)  # type: ignore[arg-type]

    with running_app(Settings(store=store)) as client:
        monkeypatch.setattr("service.http.models.read_published", hang)
        assert client.get("/models/spam/versions/1/files/report.md").status_code == 503
        hold.set()
        assert client.get("/models/spam/versions/1/files/report.md").status_code == 200
