"""What stands between callers and routes: headers for browsers, other origins, proxies; and no secret in the log."""

import asyncio
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from service.access.keys import Limits, new_key, write_keys
from service.app import create_app
from service.settings import Settings
from tests.support.service_process import free_port, serving

SHOP, OTHER = "https://shop.example", "https://other.example"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key"}


@pytest.mark.parametrize("path", ["/livez", "/models", "/classify", "/nothing", "/", "/docs", "/assets/main.js"])
def test_every_answer_says_that_its_type_is_its_type(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_keep_to_a_strict_policy(client: TestClient, path: str) -> None:
    page = client.get(path)
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in page.headers["permissions-policy"]
    assert "<script>" not in page.text
    assert "<style" not in page.text
    assert " style=" not in page.text


def test_no_page_of_another_origin_may_ask_unless_named(client: TestClient) -> None:
    assert "access-control-allow-origin" not in client.get("/models", headers={"Origin": SHOP}).headers
    preflight = client.options("/classify", headers={"Origin": SHOP, **ASKS})
    assert preflight.status_code == 405
    assert "access-control-allow-origin" not in preflight.headers


@pytest.fixture
def shop(tiny_store: Path, tmp_path: Path) -> Iterator[TestClient]:
    write_keys(tmp_path / "keys.json", [])
    settings = Settings(store=tiny_store, cors_origins=[SHOP], api_keys_file=tmp_path / "keys.json")
    with TestClient(create_app(settings)) as client:
        yield client


def test_a_named_origin_may_ask_before_it_sends_a_key_and_read_refusals(shop: TestClient) -> None:
    preflight = shop.options("/classify", headers={"Origin": SHOP, **ASKS})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == SHOP
    assert "X-API-Key" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in preflight.headers
    refused = shop.post("/classify", json={}, headers={"Origin": SHOP})  # answered before FastAPI
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == SHOP
    assert "RateLimit" in refused.headers["access-control-expose-headers"]


def test_an_origin_that_is_not_named_is_refused(shop: TestClient) -> None:
    preflight = shop.options("/classify", headers={"Origin": OTHER, **ASKS})
    assert (preflight.status_code, preflight.json()["type"]) == (403, "urn:seqserve:problem:origin-refused")
    assert OTHER not in preflight.text
    for answer in (preflight, shop.get("/livez", headers={"Origin": OTHER})):
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        *(("cors_origins", wrong) for wrong in ("shop.example", f"{SHOP}/", "ftp://x", "null", "https://a b")),
        *(("trusted_proxies", wrong) for wrong in ("*", "proxy", "10.0.0.1/8")),
    ],
)
def test_an_origin_or_a_proxy_that_is_none_is_named_at_start(setting: str, wrong: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({setting: [wrong]})


@pytest.fixture
def logged(tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    write_keys(tmp_path / "keys.json", [])

    def ask(trusted: list[str], caller: str, headers: dict[str, str]) -> Any:
        settings = Settings.model_validate(
            {"store": tiny_store, "api_keys_file": tmp_path / "keys.json", "trusted_proxies": trusted}
        )
        with TestClient(create_app(settings), client=(caller, 5000)) as client:
            client.get("/models", headers=headers)
            assert client.portal is not None
            client.portal.call(asyncio.sleep, 0)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "seqserve.request" in line]
        return lines[0]["client"]

    return ask


@pytest.mark.parametrize(
    ("trusted", "caller", "forwarded", "wanted"),
    [
        ([], "10.0.0.2", "203.0.113.7", "10.0.0.2"),
        (["10.0.0.0/8"], "10.0.0.2", "203.0.113.7", "203.0.113.7"),
        (["10.0.0.2"], "10.0.0.3", "203.0.113.7", "10.0.0.3"),
        (["10.0.0.2"], "10.0.0.2", "198.51.100.1, 203.0.113.7", "203.0.113.7"),  # what the caller says comes first
        (["10.0.0.2"], "10.0.0.2", "<script>", None),
        (["::1"], "::1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_only_named_proxies_say_who_calls(
    logged: Any, trusted: list[str], caller: str, forwarded: str, wanted: str | None
) -> None:
    assert logged(trusted, caller, {"X-Forwarded-For": forwarded}) == wanted


def test_no_key_and_no_text_is_logged_at_any_level(
    tiny_store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = new_key("shop", ["predict"], None, Limits(rows_per_second=0.1, burst_rows=2))
    write_keys(tmp_path / "keys.json", [made.key])
    secret, port, answers = made.text[-64:], free_port(), []
    bodies = [{"model": "spam", "inputs": ["zebra", 5]}, {"model": "zebra", "inputs": "zebra"}]
    chosen = {"SEQSERVE_API_KEYS_FILE": str(tmp_path / "keys.json"), "SEQSERVE_LOG_LEVEL": "debug"}
    with serving(tiny_store, port, **chosen):
        for headers in ({"X-API-Key": made.text}, {"Authorization": f"Bearer {made.text}x"}, {"Cookie": made.text}):
            for path in ("/classify", f"/models/{made.text}", f"/classify?key={made.text}", "/metrics"):
                for method, body in [*(("POST", json.dumps(body)) for body in bodies), ("GET", None)]:
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                    connection.request(method, path, body, {"Content-Type": "application/json", **headers})
                    answer = connection.getresponse()
                    answers.append((answer.status, f"{answer.headers}{answer.read().decode()}"))
                    connection.close()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:  # no HTTP
            plain.sendall(f"zebra {made.text}\r\n\r\n".encode())
            said = plain.recv(65536).decode()
            answers.append((int(said.split()[1]), said))
    assert {status for status, _ in answers} == {400, 401, 403, 404, 422, 429}
    printed = capfd.readouterr()
    for told in (printed.out, printed.err, *(answer for _, answer in answers)):
        assert secret not in told
        assert "zebra" not in told
    assert '"key":"shop"' in printed.out
