"""The command line: serves until told to stop, checks health, names bad settings."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.__main__ import healthcheck, main, unknown_variables
from service.settings import Settings
from tests.support.service_process import ROOT, free_port, serving


def test_serves_until_sigterm_and_exits_zero(tiny_store: Path, capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with serving(tiny_store, port) as server:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        body = json.dumps({"model": "spam", "inputs": ["hello"] * 1024})
        connection.request("POST", "/classify", body, {"Content-Type": "application/json"})
        time.sleep(0.02)
        server.send_signal(signal.SIGTERM)
        response = connection.getresponse()
        assert response.status == 200
        assert len(json.loads(response.read())["results"]) == 1024
        connection.close()
        assert server.wait(20) == 0
    assert "Traceback" not in capfd.readouterr().err


def test_several_workers_share_the_port(tiny_store: Path) -> None:
    port = free_port()
    with serving(tiny_store, port, SEQSERVE_WORKERS="2") as server:
        for _ in range(10):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/models/spam")
            assert connection.getresponse().status == 200
            connection.close()
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0


def test_healthcheck_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck(Settings(port=free_port())) == 1
    assert "not reachable" in capsys.readouterr().err
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=os.environ | {"SEQSERVE_STORE": str(tmp_path), "SEQSERVE_PORT": str(port)},
    ) as server:
        try:
            reason = ""
            for _ in range(600):
                assert healthcheck(Settings(port=port)) == 1
                reason = capsys.readouterr().err
                if "not reachable" not in reason:
                    break
                time.sleep(0.05)
            assert "holds no bundle" in reason
        finally:
            server.kill()


@pytest.mark.parametrize(
    ("command", "settings", "messages"),
    [
        (
            "serve",
            {"PORT": "eighty", "MAX_TEXTS": "0"},
            ["SEQSERVE_PORT: Input should be a valid integer", "SEQSERVE_MAX_TEXTS: Input should be greater than or"],
        ),
        ("serve", {"MAX_TEXT": "5"}, ["SEQSERVE_MAX_TEXT: no such setting"]),
        ("healthcheck", {"REQUIRED_MODELS": "spam"}, ["a list is JSON"]),
        ("serve", {"WORKERS": "2"}, ["PROMETHEUS_MULTIPROC_DIR names a folder that isn't there"]),
    ],
)
def test_bad_setting_is_named(
    command: str,
    settings: dict[str, str],
    messages: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nowhere")
    for name, value in settings.items():
        monkeypatch.setenv(f"SEQSERVE_{name}", value)
    assert main([command]) == 2
    printed = capsys.readouterr().err
    assert [message for message in messages if message not in printed] == []


def test_links_that_kubernetes_sets_are_passed_over() -> None:
    links = ["SEQSERVE_SERVICE_HOST", "SEQSERVE_SERVICE_PORT", "SEQSERVE_PORT_8000_TCP", "SEQSERVE_PORT_8000_TCP_ADDR"]
    assert unknown_variables(dict.fromkeys([*links, "SEQSERVE_DATA", "SEQSERVE_PORT", "HOME"], "")) == []
    assert unknown_variables({"SEQSERVE_PROT": "1"}) == ["SEQSERVE_PROT"]
