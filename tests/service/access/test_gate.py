"""API keys: which requests are answered, how others are refused, and what the log shows of it."""

import asyncio
import dataclasses
import datetime as dt
import http.client
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from service.access.gate import Gate, needed_scope
from service.access.key_file import KeyFile
from service.access.keys import Limits, Scope, new_key, write_keys
from service.access.usage import Usage
from service.app import SCOPES, create_app
from service.settings import Settings
from service.tasks.table import TASKS
from service.telemetry.request_record import SCOPE_KEY
from tests.support.held_model import hold_answers
from tests.support.retry import retry_until
from tests.support.running_app import running_app
from tests.support.service_process import free_port, serving

TEXT = "zebra crossing"
BODY = {"model": "spam", "inputs": TEXT}
JSON = {"Content-Type": "application/json"}


@dataclasses.dataclass(frozen=True)
class Keys:
    """A key file, and the text of each key by its name."""

    path: Path
    texts: dict[str, str]

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.texts[name]}"}


def make_keys(path: Path, **wanted: tuple[list[Scope], Limits]) -> Keys:
    made = {name: new_key(name, scopes, None, limits) for name, (scopes, limits) in wanted.items()}
    write_keys(path, [one.key for one in made.values()])
    return Keys(path, {name: one.text for name, one in made.items()})


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(
        tmp_path / "keys.json",
        shop=(["predict"], Limits()),
        board=(["read"], Limits()),
        slow=(["predict"], Limits(rows_per_second=0.01, burst_rows=4)),
        small=(["predict", "read"], Limits(rows_per_day=5)),
        chief=(["predict", "read", "admin"], Limits()),
    )


@pytest.fixture
def client(tiny_store: Path, keys: Keys) -> Iterator[TestClient]:
    with running_app(Settings(store=tiny_store, api_keys_file=keys.path)) as client:
        yield client


def scope_of(path: str) -> Scope | None:
    """The scope that a path of the application needs."""
    routes = (route for task in TASKS.values() for route in task.routes())
    return needed_scope(SCOPES | dict.fromkeys((route.path for route in routes), "predict"), path)


def test_every_route_has_a_declared_scope(tiny_store: Path) -> None:
    paths = create_app(Settings(store=tiny_store)).openapi()["paths"]
    assert {scope_of(path) for path in paths} == {None, "read", "predict"}


@pytest.mark.parametrize("path", ["/nothing", "//classify", "/classify/", "/Classify", "/models-of-others", "/livez/x"])
def test_other_paths_have_none_and_are_refused_to_every_key(client: TestClient, keys: Keys, path: str) -> None:
    with pytest.raises(LookupError):
        needed_scope(SCOPES, path)
    url = f"http://testserver{path}"
    assert client.post(url).status_code == 401
    response = client.post(url, headers=keys.bearer("chief"))
    assert (response.status_code, response.json()["type"]) == (403, "urn:seqserve:problem:forbidden")
    assert "no scope is declared for it" in response.json()["detail"]


def gated_app(keys: Keys) -> ASGIApp:
    """An application of its own behind the gate; its websockets charge a row for their answer."""

    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse("answered")

    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.scope[SCOPE_KEY].charge_rows(1)
        await websocket.send_text("answered")
        await websocket.close()

    routes = [Route("/new", answer), *(WebSocketRoute(path, live) for path in ("/new-live", "/live", "/live/public"))]
    key_file = KeyFile(keys.path, lambda _: None, lambda _: None, lambda _: None)
    asyncio.run(key_file.poll())
    usage = Usage(keys.path.with_name("usage"), lambda: pytest.fail("no usage file"))
    return Gate(Starlette(routes=routes), key_file, usage, {"/live": "predict", "/live/public": None}, routes)


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/new-live", None, 401),
        ("/new-live", "chief", 403),
        ("/live", None, 401),
        ("/live", "board", 403),
        ("/live", "shop", None),
        ("/live/public", None, None),
    ],
)
def test_a_websocket_needs_its_declared_scope(keys: Keys, path: str, key: str | None, status: int | None) -> None:
    client = TestClient(gated_app(keys), headers=keys.bearer(key) if key else {})
    if path == "/new-live":  # nor does a new HTTP route answer
        assert client.get("/new").status_code == status
    if status is None:
        with client.websocket_connect(path) as websocket:
            assert websocket.receive_text() == "answered"
        return
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(path):
        pass
    assert refused.value.status_code == status
    assert refused.value.headers["content-type"] == "application/problem+json"


def test_a_websocket_is_charged(keys: Keys) -> None:
    client = TestClient(gated_app(keys), headers=keys.bearer("small"))
    for left in (4, 2):  # of five rows a day: one for the handshake, one for the answer
        with client.websocket_connect("/live") as websocket:
            assert websocket.receive_text() == "answered"
        headers: Any = websocket.extra_headers
        assert (b"ratelimit", b'"day";r=%d;' % left) in [(name, text[:10]) for name, text in headers]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/classify"), ("GET", "/models/spam"), ("GET", "/metrics"), ("GET", "/no")]
)
def test_without_a_key_requests_get_401(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"] == 'Bearer realm="seqserve"'
    assert response.json()["type"] == "urn:seqserve:problem:unauthenticated"


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/", "/docs", "/assets/main.js", "/static-offline-docs/swagger-ui.css"]
)
def test_health_and_pages_are_public(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_both_headers_carry_a_key(client: TestClient, keys: Keys) -> None:
    for headers in (
        {"Authorization": f"Bearer {keys.texts['shop']}"},
        {"authorization": f"bearer  {keys.texts['shop']} "},
        {"X-API-Key": keys.texts["shop"]},
        {"X-API-Key": keys.texts["shop"], "Authorization": "Basic dTpw"},
    ):
        assert client.post("/classify", json=BODY, headers=headers).status_code == 200


def test_a_wrong_key_is_refused_and_not_repeated(client: TestClient, keys: Keys) -> None:
    good = keys.texts["shop"]
    other_digit = "0" if good[-1] != "0" else "1"
    for sent in (good[:-1] + other_digit, good[:-1], good + "0", good.upper(), "hf_abcdefghijkl", "", "é"):
        response = client.post("/classify", json=BODY, headers={b"X-API-Key": sent.encode()})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Bearer realm="seqserve", error="invalid_token"'
        assert not sent or sent not in response.text


def test_a_missing_scope_is_named(client: TestClient, keys: Keys) -> None:
    response = client.get("/models", headers=keys.bearer("shop"))
    assert response.status_code == 403
    assert "lacks the scope read" in response.json()["detail"]
    assert response.headers["www-authenticate"].endswith('error="insufficient_scope", scope="read"')
    answered = client.get("/models", headers=keys.bearer("board"))
    assert (answered.status_code, answered.headers["cache-control"]) == (200, "no-store")
    assert client.post("/classify", json=BODY, headers=keys.bearer("board")).status_code == 403


def test_an_expired_or_revoked_key_is_refused(client: TestClient, keys: Keys) -> None:
    now = dt.datetime.now(dt.UTC)
    old = new_key("old", ["predict"], now - dt.timedelta(seconds=1), Limits())
    new = new_key("new", ["predict"], now + dt.timedelta(hours=1), Limits())
    write_keys(keys.path, [old.key, new.key])
    retry_until(lambda: client.post("/classify", json=BODY, headers={"X-API-Key": new.text}).status_code == 200)
    response = client.post("/classify", json=BODY, headers={"X-API-Key": old.text})
    assert (response.status_code, response.json()["detail"]) == (401, "The key has expired.")
    assert client.post("/classify", json=BODY, headers=keys.bearer("shop")).status_code == 401  # it was revoked


def test_while_the_file_is_broken_its_keys_stay_valid(
    client: TestClient, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    def metrics() -> str:
        return client.get("/metrics", headers=keys.bearer("board")).text

    whole = keys.path.read_text()
    assert "\nseqserve_keys 5.0\n" in metrics()
    keys.path.write_text(whole.replace("predict", "everything"))
    retry_until(lambda: "\nseqserve_keys_fault 1.0\n" in metrics())
    assert "\nseqserve_keys 5.0\n" in metrics()
    keys.path.write_text(whole)
    retry_until(lambda: "\nseqserve_keys_fault 0.0\n" in metrics())
    assert "the keys read before stay valid" in caplog.text
    assert "everything" not in caplog.text


def test_without_a_readable_file_keys_get_503(tiny_store: Path, tmp_path: Path) -> None:
    with TestClient(create_app(Settings(store=tiny_store, api_keys_file=tmp_path / "none"))) as client:
        assert client.post("/classify", json=BODY, headers={"X-API-Key": "x"}).status_code == 503
        assert client.get("/livez").status_code == 200


def test_an_empty_bucket_is_a_429_that_says_how_long(client: TestClient, keys: Keys) -> None:
    response = client.post("/classify", json={**BODY, "inputs": [TEXT] * 3}, headers=keys.bearer("slow"))
    assert response.headers["ratelimit-policy"] == '"rate";q=4;w=400'
    assert re.fullmatch(r'"rate";r=1;t=(2\d\d|300)', response.headers["ratelimit"])
    # More than is left, but not refused: it is paid for by waiting.
    assert client.post("/classify", json={**BODY, "inputs": [TEXT] * 3}, headers=keys.bearer("slow")).status_code == 200
    refused = client.post("/classify", json=BODY, headers=keys.bearer("slow"))
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:seqserve:problem:rate-limited")
    assert 200 <= int(refused.headers["retry-after"]) <= 300
    assert refused.headers["ratelimit"].startswith('"rate";r=0;')
    assert client.post("/classify", json=BODY, headers=keys.bearer("shop")).status_code == 200


def test_a_used_up_quota_is_a_429_until_midnight(client: TestClient, keys: Keys) -> None:
    refused = client.post("/classify", json={**BODY, "inputs": [TEXT] * 6}, headers=keys.bearer("small"))
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:seqserve:problem:quota-exceeded")
    assert "takes 6 of the key's 5 rows a day, of which 5 are left" in refused.json()["detail"]
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert (
        client.post("/classify", json={**BODY, "inputs": [TEXT] * 3}, headers=keys.bearer("small")).status_code == 200
    )
    assert client.get("/models", headers=keys.bearer("small")).headers["ratelimit"].startswith('"day";r=1;')
    assert client.post("/classify", json={}, headers=keys.bearer("small")).status_code == 422  # costs one row as well
    assert client.get("/models", headers=keys.bearer("small")).status_code == 429


def test_computed_rows_are_charged(client: TestClient, keys: Keys) -> None:
    first = client.post("/classify", json={**BODY, "explain": True}, headers=keys.bearer("small"))
    assert first.headers["ratelimit"].startswith('"day";r=2;')  # the text, and it without each of its words


def test_quotas_survive_a_restart(tiny_store: Path, keys: Keys) -> None:
    settings = Settings(store=tiny_store, api_keys_file=keys.path)
    for wanted in (200, 429):
        with running_app(settings) as client:
            asked = client.post("/classify", json={**BODY, "inputs": [TEXT] * 5}, headers=keys.bearer("small"))
            assert asked.status_code == wanted


def test_workers_share_quotas_and_follow_the_file(tiny_store: Path, keys: Keys) -> None:
    port = free_port()

    def ask(_: int = 0) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)  # each time whichever worker takes it
        connection.request("POST", "/classify", json.dumps(BODY), keys.bearer("small") | JSON)
        status = connection.getresponse().status
        connection.close()
        return status

    with serving(tiny_store, port, SEQSERVE_WORKERS="2", SEQSERVE_API_KEYS_FILE=str(keys.path)):
        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(ask, range(30))) == [200] * 5 + [429] * 25
        write_keys(keys.path, [])
        retry_until(lambda: {ask() for _ in range(20)} == {401})


def test_concurrent_requests_get_no_more_than_the_quota(client: TestClient, keys: Keys) -> None:
    gate = hold_answers(client)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(client.post, "/classify", json=BODY, headers=keys.bearer("small")) for _ in range(8)]
        time.sleep(0.2)
        gate.set()
        assert sorted(one.result().status_code for one in asked) == [200] * 5 + [429] * 3


def test_the_log_has_the_name_of_the_key_and_not_the_key(
    client: TestClient, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    client.post("/classify", json=BODY, headers=keys.bearer("shop"))
    client.post("/classify", json=BODY, headers={"X-API-Key": keys.texts["shop"] + "0"})
    client.get("/models", headers=keys.bearer("shop"))
    assert client.portal is not None
    client.portal.call(asyncio.sleep, 0)
    printed = capsys.readouterr().out
    lines = [json.loads(line) for line in printed.splitlines() if "seqserve.request" in line]
    assert [(line["status"], line["key"], line["route"]) for line in lines] == [
        (200, "shop", "/classify"),
        (401, None, "/classify"),
        (403, "shop", "/models"),
    ]
    assert not [text for text in [*keys.texts.values(), TEXT] if text in printed]


def test_metrics_count_refusals_by_reason_and_name_no_key(client: TestClient, keys: Keys) -> None:
    client.post("/classify", json=BODY)
    client.post("/forecast", headers=keys.bearer("board"))
    for _ in range(2):
        client.post("/classify", json={**BODY, "inputs": [TEXT] * 5}, headers=keys.bearer("slow"))
    text = client.get("/metrics", headers=keys.bearer("board")).text
    for route, reason in (("/classify", "unauthenticated"), ("/forecast", "forbidden"), ("/classify", "rate-limited")):
        assert f'seqserve_refusals_total{{reason="{reason}",route="{route}"}} 1.0' in text
    assert "shop" not in text
    assert "board" not in text


def test_the_document_says_how_to_send_a_key_only_where_one_is_asked_for(
    client: TestClient, keys: Keys, tiny_store: Path
) -> None:
    document = client.get("/openapi.json", headers=keys.bearer("board")).json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            needed = scope_of(path)
            assert operation.get("security") == (needed and [{"bearer": [needed]}, {"key": [needed]}])
            assert needed is None or {"401", "403", "429"} <= operation["responses"].keys()
    without: dict[str, Any] = create_app(Settings(store=tiny_store)).openapi()
    assert "securitySchemes" not in without["components"]
    assert "401" not in json.dumps(without)


def test_without_keys_there_is_no_gate(tiny_store: Path, keys: Keys) -> None:
    for key_file, num_gates in ((None, 0), (keys.path, 1)):
        app = create_app(Settings(store=tiny_store, api_keys_file=key_file))
        assert [cast(object, middleware.cls) for middleware in app.user_middleware].count(Gate) == num_gates
