"""Every request: an id in and out, and one log line that tells much and never what was sent."""

import asyncio
import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.service_process import free_port, serving

SECRET = "zebra"


@pytest.fixture
def app(tiny_store: Path) -> FastAPI:
    return create_app(Settings(store=tiny_store))


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def lines(client: TestClient, capsys: pytest.CaptureFixture[str]) -> Any:
    def read() -> list[dict[str, Any]]:
        assert client.portal is not None
        client.portal.call(asyncio.sleep, 0)  # lines are written when the loop iteration ends
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return read


def test_an_id_that_is_sent_comes_back(client: TestClient, lines: Any) -> None:
    response = client.get("/livez", headers={"X-Request-ID": "order-17/a"})
    assert response.headers["X-Request-ID"] == "order-17/a"
    assert lines()[0]["id"] == "order-17/a"


@pytest.mark.parametrize("sent", [None, "", "a b", "x" * 129, "é", 'quote"', "<script>", "line\tbreak"])
def test_a_missing_or_odd_id_is_replaced(client: TestClient, sent: str | None) -> None:
    headers = {} if sent is None else {b"X-Request-ID": sent.encode()}
    got = [client.get("/livez", headers=headers).headers["X-Request-ID"] for _ in range(2)]
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in got)
    assert got[0] != got[1]


def test_refusals_and_defects_carry_the_id_too(app: FastAPI, client: TestClient, lines: Any) -> None:
    @app.get("/defect")
    async def defect() -> None:
        raise RuntimeError("broken")

    assert client.post("/classify", json={}).headers["X-Request-ID"]
    assert client.get("/nowhere").headers["X-Request-ID"]
    response = client.get("/defect", headers={"X-Request-ID": "mine"})
    assert (response.status_code, response.headers["X-Request-ID"]) == (500, "mine")
    assert [line["status"] for line in lines()] == [422, 404, 500]


def test_one_line_a_request_tells_who_answered_and_how_long_each_phase_took(client: TestClient, lines: Any) -> None:
    client.post("/classify", json={"model": "spam", "inputs": ["win", "see you"]})
    client.post("/forecast", json={"model": "ridership", "values": [1.0, 2.0], "horizon": 20})
    client.get("/models/spam")
    classify, forecast, card = lines()
    assert (classify["method"], classify["route"], classify["status"]) == ("POST", "/classify", 200)
    assert (classify["model"], classify["version"], classify["rows"]) == ("spam-cnn", 1, 2)
    phases = ["read", "validate", "encode", "queue", "inference", "decode", "respond", "total"]
    assert list(classify["milliseconds"]) == phases
    assert list(forecast["milliseconds"]) == phases
    assert (forecast["model"], forecast["rows"]) == ("ridership-wavenet", 1)
    assert (card["route"], card["model"], card["rows"]) == ("/models/{name}", None, None)
    for line in (classify, forecast):
        *parts, total = line["milliseconds"].values()
        assert min(parts) >= 0
        assert sum(parts) == pytest.approx(total, abs=0.01)


def test_no_line_holds_texts_values_paths_or_names_that_were_sent(
    client: TestClient, lines: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.post("/classify", json={"model": "spam", "inputs": SECRET})
    client.post("/classify", json={"model": SECRET, "inputs": SECRET, SECRET: 1})
    client.post("/classify", content=f'{{"model": "{SECRET}'.encode(), headers={"Content-Type": "application/json"})
    client.post("/forecast", json={"model": "ridership", "values": [271828.0], "id": SECRET})
    client.get(f"/{SECRET}?{SECRET}=1")
    client.get(f"/models/{SECRET}")
    ours = [str(vars(record)) for record in caplog.records if record.name.startswith("service")]
    ours += map(str, written := lines())
    assert len(written) == 6
    assert not [line for line in ours if SECRET in line or "271828" in line]


def test_a_caller_that_hangs_up_is_no_defect(tiny_store: Path, capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with serving(tiny_store, port) as server:
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.sendall(b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
            caller.sendall(b'Content-Length: 100\r\n\r\n{"model":')
            time.sleep(0.1)
        time.sleep(0.2)
        server.terminate()
        server.wait(20)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["status"] for line in lines if line.get("route") == "/classify"] == [499]
    assert not [line for line in lines if line["level"] == "ERROR"]


def test_the_process_writes_one_json_object_a_line(tiny_store: Path, capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with serving(tiny_store, port) as server:
        connection = HTTPConnection("127.0.0.1", port)
        body = json.dumps({"model": "spam", "inputs": SECRET})
        connection.request("POST", "/classify", body, {"Content-Type": "application/json", "X-Request-ID": "mine"})
        assert connection.getresponse().status == 200
        connection.close()
        server.terminate()
        server.wait(20)
    written = capfd.readouterr().out
    lines = [json.loads(line) for line in written.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    [line] = [line for line in lines if line["message"] == "request" and line["route"] == "/classify"]
    assert (line["id"], line["model"], line["status"], line["rows"]) == ("mine", "spam-cnn", 200, 1)
    assert line["milliseconds"]["total"] > 0
    assert SECRET not in written
