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


@pytest.mark.parametrize("workers", ["2"])
def test_several_workers_share_the_port(tiny_store: Path, workers: str) -> None:
    port = free_port()
    with serving(tiny_store, port, SEQSERVE_WORKERS=workers) as server:
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


def test_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SEQSERVE_PORT", "eighty")
    monkeypatch.setenv("SEQSERVE_MAX_TEXTS", "0")
    assert main(["serve"]) == 2
    message = capsys.readouterr().err
    assert "SEQSERVE_PORT: Input should be a valid integer" in message
    assert "SEQSERVE_MAX_TEXTS: Input should be greater than or equal to 1" in message


def test_misspelt_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SEQSERVE_MAX_TEXT", "5")
    assert main(["serve"]) == 2
    assert "SEQSERVE_MAX_TEXT: no such setting" in capsys.readouterr().err


def test_list_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SEQSERVE_REQUIRED_MODELS", "spam")
    assert main(["healthcheck"]) == 2
    assert "a list is JSON" in capsys.readouterr().err


def test_links_that_kubernetes_sets_are_passed_over() -> None:
    links = ["SEQSERVE_SERVICE_HOST", "SEQSERVE_SERVICE_PORT", "SEQSERVE_PORT_8000_TCP", "SEQSERVE_PORT_8000_TCP_ADDR"]
    assert unknown_variables(dict.fromkeys([*links, "SEQSERVE_DATA", "SEQSERVE_PORT", "HOME"], "")) == []
    assert unknown_variables({"SEQSERVE_PROT": "1"}) == ["SEQSERVE_PROT"]


def test_a_missing_folder_for_the_figures_of_workers_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("SEQSERVE_WORKERS", "2")
    assert main(["serve"]) == 2
    assert "PROMETHEUS_MULTIPROC_DIR names a folder that isn't there" in capsys.readouterr().err
