"""Routes that answer a body by themselves: what they refuse to be, and what all of them say and take."""

import asyncio
import gzip
import inspect
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Cookie, Depends, FastAPI, Header, Query
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Scope
from typing_extensions import TypedDict

from service.app import create_app
from service.http import json_text
from service.http.route import BodyRoute, JSONRoute, PredictRoute
from service.http.schema import RequestModel
from service.predict import Answers
from service.settings import Settings
from service.state import Context
from service.tasks.classify.schema import ClassifyJSON
from service.tasks.forecast.schema import ForecastRequest
from service.telemetry.request_record import RequestRecord
from tests.prove.targets import read_request


class Payload(RequestModel):
    text: str


class Answer(TypedDict):
    text: str


async def plain(payload: Payload) -> Answer:
    raise NotImplementedError


async def repeat(payload: Payload, context: Context, record: RequestRecord) -> Answer:
    return {"text": payload.text}


class Echo(BodyRoute):
    """Answers with the body itself."""

    content_encodings = ("gzip",)

    async def respond(self, content: bytes, scope: Scope, record: RequestRecord) -> bytes:
        return content


def body_route(**options: Any) -> APIRoute:
    return Echo("/probe", plain, **options)


def json_route(**options: Any) -> APIRoute:
    return JSONRoute("/probe", repeat, **options)


def predict_route(**options: Any) -> APIRoute:
    return PredictRoute("/probe", ClassifyJSON(), name="probe", **options)


# --- what is not honoured is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [body_route, json_route, predict_route])
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"status_code": 202}, "the status code 202"),
        ({"dependencies": [Depends(plain)]}, "dependencies"),
        ({"response_class": PlainTextResponse}, "the response class"),
    ],
)
def test_option_that_is_not_honoured_is_refused(make: Callable[..., APIRoute], options: Any, named: str) -> None:
    assert make().status_code is None
    with pytest.raises(TypeError, match=f"^/probe: .* would not honour {named}; "):
        make(**options)


PARAMETERS: list[tuple[str, Any, str, str]] = [
    ("x_tenant", Annotated[str, Header()], "header parameter x-tenant", "x_tenant"),
    ("verbose", Annotated[bool, Query()], "query parameter verbose", "verbose"),
    ("name", str, "path parameter name", "name"),
    ("session", Annotated[str, Cookie()], "cookie parameter session", "session"),
    ("other", Annotated[Answer, Depends(plain)], "dependencies", "other"),
]


def with_parameters(**kinds: Any) -> Any:
    """An endpoint that takes these beside its body."""

    async def endpoint(payload: Payload, **_: Any) -> Answer:
        raise NotImplementedError

    taken = [("payload", Payload), *kinds.items()]
    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in taken]
    endpoint.__signature__ = inspect.Signature(parameters, return_annotation=Answer)  # type: ignore[attr-defined]
    return endpoint


@pytest.mark.parametrize(("name", "kind", "of_body", "of_json"), PARAMETERS)
def test_parameter_that_is_not_honoured_is_refused(name: str, kind: Any, of_body: str, of_json: str) -> None:
    path, endpoint = "/probe/{name}" if name == "name" else "/probe", with_parameters(**{name: kind})
    with pytest.raises(TypeError, match=of_body):
        Echo(path, endpoint)
    with pytest.raises(TypeError, match=f"would not honour the parameter {of_json}"):
        JSONRoute(path, endpoint)


def test_path_parameter_that_no_endpoint_takes_is_refused_where_json_alone_is_read() -> None:
    with pytest.raises(TypeError, match="the path parameter name"):
        JSONRoute("/probe/{name:path}", repeat)


def test_all_at_once_are_named() -> None:
    probe = with_parameters(x_tenant=Annotated[str, Header()], verbose=bool)
    with pytest.raises(TypeError, match="the status code 202, the query parameter verbose, the header parameter x-ten"):
        Echo("/probe", probe, status_code=202)


def test_route_that_a_router_includes_is_refused_before_it_answers() -> None:
    """FastAPI would call the endpoint, which is there for the document alone."""
    app, router = FastAPI(), APIRouter(route_class=Echo)
    router.add_api_route("/probe", plain, methods=["POST"])
    app.include_router(router, prefix="/v1")
    with TestClient(app) as client, pytest.raises(TypeError, match="Echo can't be included"):
        client.post("/v1/probe", json={})


@pytest.mark.parametrize("waited", [0, 300])
def test_the_wait_before_a_request_starts_counts_towards_its_deadline(waited: float) -> None:
    deadlines: list[float] = []

    class Predictor:
        async def predict(self, *arguments: Any) -> Answers:
            deadlines.append(arguments[5])
            return Answers("spam-cnn", 1, [])

    context = SimpleNamespace(settings=Settings(deadline_seconds=1000), predictor=Predictor())
    route = PredictRoute("/probe", ClassifyJSON(), name="probe")
    record = RequestRecord(arrived=time.perf_counter() - waited)
    scope: Scope = {"headers": [], "state": {"context": context}}
    asyncio.run(route.respond(b'{"model": "spam", "inputs": "hello"}', scope, record))
    assert deadlines[0] - time.monotonic() == pytest.approx(1000 - waited, abs=100)


# --- what all of them say and take -----------------------------------------------------------------------------------


def test_a_405_names_the_methods_that_are_taken(client: TestClient) -> None:
    taken: dict[str, set[str]] = {}
    app: Any = client.app
    for route in app.routes:
        if isinstance(route, Route):
            assert route.methods
            taken.setdefault(route.path, set()).update(route.methods)
    assert {"/classify", "/forecast", "/outcomes", "/models", "/livez", "/metrics"} <= taken.keys()
    assert client.get("/openapi.json").json()["paths"].keys() <= taken.keys()
    for path, methods in taken.items():
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
            response = client.request(method, path)
            assert response.status_code == 405, (method, path)
            assert response.headers["allow"].split(", ") == sorted(methods), (method, path)


FORECAST = {"model": "ridership", "values": [1.0, 2.0]}
CLASSIFY = {"model": "spam", "inputs": "hello"}
OUTCOMES = {"model": "ridership", "outcomes": [{"level": 80, "lower": 0, "upper": 2, "actual": 1}]}
INTEGERS = [
    ("/classify", CLASSIFY, "version", 1),
    ("/classify", CLASSIFY, "top_k", 1),
    ("/forecast", FORECAST, "version", 1),
    ("/forecast", FORECAST, "horizon", 3),
    ("/outcomes", OUTCOMES, "version", 1),
]


@pytest.mark.parametrize(("path", "body", "name", "value"), INTEGERS)
def test_integers_are_those_of_json_schema(
    client: TestClient, path: str, body: dict[str, Any], name: str, value: int
) -> None:
    whole = client.post(path, json=body | {name: float(value)})
    assert whole.status_code == 200, whole.text
    assert whole.json() == client.post(path, json=body | {name: value}).json()
    for other in (True, str(value), value + 0.5):
        response = client.post(path, json=body | {name: other})
        assert response.status_code == 422, other
        [error] = response.json()["errors"]
        assert error["loc"] == [name]


@pytest.mark.parametrize("num_digits", [300, 301, 308, 310])
def test_long_integers_are_the_same_however_a_body_is_read(num_digits: int) -> None:
    body = b'{"model": "any", "values": [1], "horizon": %s}' % (b"9" * num_digits)
    read_request(ForecastRequest, body)
    assert json_text.parse(body)["horizon"] == 10**num_digits - 1


LIMIT = 10_000


@pytest.fixture(scope="module")
def echo(tiny_store: Path) -> Iterator[TestClient]:
    app = create_app(Settings(store=tiny_store, max_body_bytes=LIMIT))
    app.router.routes.insert(0, Echo("/echo", plain))
    with TestClient(app) as client:
        yield client


def post(client: TestClient, content: bytes, encoding: str = "gzip") -> Any:
    return client.post(
        "/echo", content=content, headers={"Content-Type": "application/json", "Content-Encoding": encoding}
    )


@pytest.mark.parametrize("num_bytes", [0, 1, LIMIT])
def test_gzip_is_read_up_to_the_limit(echo: TestClient, num_bytes: int) -> None:
    answered = post(echo, gzip.compress(b"x" * num_bytes), "GZIP")
    assert (answered.status_code, answered.content) == (200, b"x" * num_bytes)
    assert post(echo, b"{}", "identity").content == b"{}"


@pytest.mark.parametrize("num_bytes", [LIMIT + 1, 500 * LIMIT])
def test_few_bytes_of_gzip_that_stand_for_many_are_refused(echo: TestClient, num_bytes: int) -> None:
    sent = gzip.compress(bytes(num_bytes))
    assert len(sent) < LIMIT
    assert post(echo, gzip.compress(b"x") + bytes(LIMIT)).status_code == 413  # before it is decompressed
    refused = post(echo, sent)
    assert (refused.status_code, refused.headers["connection"]) == (413, "close")
    assert refused.json()["type"] == "urn:seqserve:problem:body-too-large"


WHOLE = gzip.compress(b"abc" * 100)


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [
        *((sent, "gzip") for sent in (b"", b"no gzip", WHOLE[:-9], WHOLE[:-1] + b"!", WHOLE + WHOLE, WHOLE + b"more")),
        (b"{}", "br"),
    ],
    ids=["empty", "plain", "cut short", "wrong length", "two members", "more behind it", "another encoding"],
)
def test_what_is_no_gzip_is_refused(echo: TestClient, sent: bytes, encoding: str) -> None:
    refused = post(echo, sent, encoding)
    assert (refused.status_code, refused.headers["accept-encoding"]) == (415, "identity, gzip")
