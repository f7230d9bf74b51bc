"""Malformed requests: each gets the status, place and message it should, as problem+json, and nothing echoed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.testclient import TestClient

JSON = {"content-type": "application/json"}
SPAM = {"model": "spam", "inputs": "hello"}
RAIL = {"model": "ridership", "values": [1.0, 2.0, 3.0]}


@dataclass(frozen=True)
class Case:
    """One malformed request and what it should get."""

    name: str
    status: int
    message: str
    """Part of the detail, or of the message at `loc`."""
    route: str = "/classify"
    body: bytes | str | dict[str, Any] | None = None
    loc: list[str | int] | None = None
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=lambda: JSON)

    def content(self) -> bytes | None:
        if isinstance(self.body, dict):
            return json.dumps(self.body).encode()
        return self.body.encode() if isinstance(self.body, str) else self.body


def spam(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (SPAM | changes).items() if value is not ...}


def rail(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (RAIL | changes).items() if value is not ...}


def forecast(name: str, message: str, body: Any, loc: list[str | int] | None = None) -> Case:
    """Of a body that is no JSON, or has a fault at `loc`."""
    return Case(name, 400 if loc is None else 422, message, "/forecast", body, loc)


# fmt: off
CASES = [
    # 400: not JSON
    Case("no body", 400, "The body is empty"),
    Case("white space", 400, "The body is empty", body=" \n "),
    Case("cut short", 400, "line 1, column", body='{"model": "spam", "inputs": "he'),
    Case("trailing comma", 400, "at line 1, column 1", body='{"model": "spam",}'),
    Case("two documents", 400, "Extra data", body='{"model": "spam"} {"model": "spam"}'),
    Case("single quotes", 400, "property name", body="{'model': 'spam'}"),
    Case("bare word", 400, "Expecting value", body="spam"),
    Case("form", 415, "Content-Type: application/json", body="model=spam",
        headers={"content-type": "application/x-www-form-urlencoded"}),
    Case("control character in a string", 400, "Invalid control character", body='{"model": "spam", "inputs": "a\nb"}'),
    Case("unknown escape", 400, "Invalid \\escape", body='{"model": "spam", "inputs": "\\x41"}'),
    Case("not UTF-8", 400, "not UTF-8 at byte 29", body=b'{"model": "spam", "inputs": "\xff"}'),
    Case("UTF-16", 400, "not UTF-8", body=json.dumps(SPAM).encode("utf-16")),
    Case("surrogate in UTF-8", 400, "not UTF-8", body=b'{"model": "spam", "inputs": "\xed\xa0\x80"}'),
    Case("nested a million deep", 400, "nested too deeply", body="[" * 1_000_000 + "]" * 1_000_000),
    forecast("NaN", "NaN is not JSON; send null", '{"model": "ridership", "values": [1, NaN]}'),
    forecast("Infinity", "Infinity is not JSON", '{"model": "ridership", "values": [Infinity]}'),
    forecast("-Infinity", "-Infinity is not JSON", '{"model": "ridership", "values": [-Infinity]}'),
    forecast("leading zero", "line 1", '{"model": "ridership", "values": [01]}'),
    forecast("hexadecimal", "line 1", '{"model": "ridership", "values": [0x1]}'),
    # 404, 405
    Case("unknown route", 404, "no such route", route="/clasify", body=SPAM),
    Case("trailing slash", 404, "no such route", route="/classify/", body=SPAM),
    Case("unknown model", 404, "no such model", body=spam(model="spam-rnn")),
    Case("model of a path", 404, "no such model", body=spam(model="../spam-cnn")),
    Case("unknown version", 404, "version of the model is not served", body=spam(version=99)),
    Case("version zero", 404, "version of the model is not served", body=spam(version=0)),
    Case("enormous version", 404, "version of the model is not served", body=spam(version=10**30)),
    Case("unknown card", 404, "no such model", route="/models/nothing", method="GET"),
    Case("version that is no number", 404, "positive whole number", route="/models/spam/versions/newest", method="GET"),
    Case("file upwards", 404, "no such file", route="/models/spam/versions/1/files/..%5cmanifest.json", method="GET"),
    Case("file not shown", 404, "no such file", route="/models/spam/versions/1/files/model.onnx", method="GET"),
    Case("wrong method", 405, "not for this method", method="GET"),
    Case("wrong method, other route", 405, "not for this method", route="/livez", body=SPAM),
    # 413, 415
    Case("body over the limit", 413, "over the limit of 16777216 bytes", body=b"[" + b" " * (16 * 1024 * 1024) + b"]"),
    Case("length over it, unread", 413, "over the limit", body="{}", headers=JSON | {"content-length": "9" * 12}),
    Case("no content type", 415, "Content-Type: application/json", body=json.dumps(SPAM), headers={}),
    Case("text", 415, "Content-Type: application/json", body=json.dumps(SPAM), headers={"content-type": "text/plain"}),
    Case("XML", 415, "Content-Type: application/json", body="<a/>", headers={"content-type": "application/xml"}),
    Case("other charset", 415, "JSON is UTF-8", body=json.dumps(SPAM),
        headers={"content-type": "application/json; charset=latin-1"}),
    Case("gzip", 415, "without Content-Encoding", body=b"\x1f\x8b\x08", headers=JSON | {"content-encoding": "gzip"}),
    Case("zstd", 415, "without Content-Encoding", body=b"\x28\xb5\x2f", headers=JSON | {"content-encoding": "zstd"}),
    # 422: shape
    Case("array", 422, "valid dictionary", body="[1]", loc=[]),
    Case("string", 422, "valid dictionary", body='"spam"', loc=[]),
    Case("null", 422, "valid dictionary", body="null", loc=[]),
    Case("no model", 422, "Field required", body=spam(model=...), loc=["model"]),
    Case("no inputs", 422, "Field required", body=spam(inputs=...), loc=["inputs"]),
    Case("misspelt key", 422, "1 key is not known here; known are model,", body=spam(modle="spam"), loc=[]),
    Case("100,000 unknown keys", 422, "100000 keys are not known", body={str(n): n for n in range(100_000)}, loc=[]),
    Case("unknown key in a series", 422, "not known here", "/forecast",
        '{"model": "ridership", "series": [{"value": 1}]}', ["series", 0]),
    Case("model as a number", 422, "valid string", body=spam(model=1), loc=["model"]),
    Case("model as null", 422, "valid string", body=spam(model=None), loc=["model"]),
    Case("version as text", 422, "valid integer", body=spam(version="1"), loc=["version"]),
    Case("version as true", 422, "valid integer", body=spam(version=True), loc=["version"]),
    Case("version as a fraction", 422, "valid integer", body=spam(version=1.5), loc=["version"]),
    Case("inputs as a number", 422, "one text (a string) or a list", body=spam(inputs=5), loc=["inputs"]),
    Case("inputs as an object", 422, "one text (a string) or a list", body=spam(inputs={"text": "a"}), loc=["inputs"]),
    Case("no texts", 422, "at least 1 item", body=spam(inputs=[]), loc=["inputs"]),
    Case("a number among texts", 422, "valid string", body=spam(inputs=["a", 1]), loc=["inputs", 1]),
    Case("null among texts", 422, "valid string", body=spam(inputs=["a", "b", None]), loc=["inputs", 2]),
    Case("a list among texts", 422, "valid string", body=spam(inputs=[["a"]]), loc=["inputs", 0]),
    Case("too many texts", 422, "At most 1024 texts", body=spam(inputs=["a"] * 1025), loc=["inputs"]),
    Case("a text too long", 422, "At most 200000 characters", body=spam(inputs=["a", "b" * 200_001]),
        loc=["inputs", 1]),
    Case("lone high surrogate", 422, "lone surrogate", body='{"model": "spam", "inputs": ["a", "\\ud83d"]}',
        loc=["inputs", 1]),
    Case("lone low surrogate", 422, "lone surrogate", body='{"model": "spam", "inputs": "\\uDE00 x"}', loc=["inputs"]),
    Case("lone surrogate below a key of one", 422, "lone surrogate", body='{"\\ud800": "\\ud800"}', loc=[]),
    Case("lone surrogate deep below a key of one", 422, "lone surrogate", body='{"a": {"\\ud800": {"b": "\\udc00"}}}',
        loc=["a"]),
    Case("lone surrogate in a key", 422, "lone surrogate", body='{"model": "spam", "\\ud83d": 1}', loc=[]),
    Case("top_k zero", 422, "greater than or equal to 1", body=spam(top_k=0), loc=["top_k"]),
    Case("top_k negative", 422, "greater than or equal to 1", body=spam(top_k=-1), loc=["top_k"]),
    Case("explain as text", 422, "valid boolean", body=spam(explain="yes"), loc=["explain"]),
    Case("too many words to explain", 422,
        "At most 1024 words are explained in one request; send fewer or shorter texts",
        body=spam(inputs=["a b c d"] * 257, explain=True), loc=["explain"]),
    Case("lone surrogate to explain", 422, "lone surrogate",
        body='{"model": "spam", "inputs": "a \\ud83d", "explain": true}', loc=["inputs"]),
    Case("forecaster asked to classify", 422, "POST /forecast", body=spam(model="ridership"), loc=["model"]),
    # 422: series
    forecast("explain as a number", "valid boolean", rail(explain=1), ["explain"]),
    forecast("all null, to explain", "are all null", rail(values=[None], explain=True), ["values"]),
    forecast("too many segments to explain",
        "At most 4096 segments of history are explained in one request; send fewer series",
        rail(values=..., series=[{"values": [1, 2, 3, 4, 5]}] * 820, explain=True), ["explain"]),
    forecast("classifier asked to forecast", "POST /classify", rail(model="spam"), ["model"]),
    forecast("no values", "either `series`", rail(values=...), []),
    forecast("values and series", "either `series`", rail(series=[{"values": [1]}]), []),
    forecast("start beside series", "`start` belongs inside",
        rail(values=..., series=[{"values": [1]}], start="2019-01-01"), []),
    forecast("empty values", "at least 1 item", rail(values=[]), ["values"]),
    forecast("empty series", "at least 1 item", rail(values=..., series=[]), ["series"]),
    forecast("series without values", "Field required", rail(values=..., series=[{"id": "a"}]),
        ["series", 0, "values"]),
    forecast("all null", "are all null", rail(values=[None, None]), ["values"]),
    forecast("newest all null", "newest 112 values are all null", rail(values=[1.0] + [None] * 112), ["values"]),
    forecast("true for a number", "valid number", rail(values=[1, True]), ["values", 1]),
    forecast("text for a number", "valid number", rail(values=["1.5"]), ["values", 0]),
    forecast("a list for a number", "valid number", rail(values=[[1]]), ["values", 0]),
    forecast("1e999", "infinite", '{"model": "ridership", "values": [1, 1e999]}', ["values", 1]),
    forecast("-1e999", "infinite", '{"model": "ridership", "values": [-1e999]}', ["values", 0]),
    forecast("integer of 5,000 digits", "infinite", '{"model": "ridership", "values": [' + "9" * 5000 + "]}",
        ["values", 0]),
    forecast("beyond float32", "beyond ±3.4e38", rail(values=[1e300]), ["values"]),
    forecast("too many values", "At most 10000 values", rail(values=[1.0] * 10_001), ["values"]),
    forecast("too many series", "At most 1000 series", rail(values=..., series=[{"values": [1]}] * 1001), ["series"]),
    forecast("horizon zero", "greater than or equal to 1", rail(horizon=0), ["horizon"]),
    forecast("horizon negative", "greater than or equal to 1", rail(horizon=-3), ["horizon"]),
    forecast("horizon as true", "valid integer", rail(horizon=True), ["horizon"]),
    forecast("horizon as text", "valid integer", rail(horizon="7"), ["horizon"]),
    forecast("horizon as a fraction", "valid integer", rail(horizon=1.5), ["horizon"]),
    forecast("horizon beyond the limit", "At most 1000 steps", rail(horizon=1001), ["horizon"]),
    forecast("enormous horizon", "At most 1000 steps", rail(horizon=10**26), ["horizon"]),
    forecast("no values, long horizon", "at least 1 item", rail(values=[], horizon=30), ["values"]),
    forecast("all null, long horizon", "are all null", rail(values=[None], horizon=30), ["values"]),
    forecast("long horizon beyond the calendar", "beyond the year 9999", rail(start="9999-12-01", horizon=30),
        ["start"]),
    forecast("future covariate up to the model's own horizon only", "33 entries are needed",
        rail(horizon=30, future_covariates={"day_type": ["W"] * 17}), ["future_covariates", "day_type"]),
    forecast("past covariate up to the horizon", "3 entries are needed",
        rail(horizon=30, past_covariates={"bus": [1] * 33}), ["past_covariates", "bus"]),
    forecast("level zero", "greater than 0", rail(levels=[0]), ["levels", 0]),
    forecast("level over 95", "less than or equal to 95", rail(levels=[80, 99]), ["levels", 1]),
    forecast("level negative", "greater than 0", rail(levels=[-80]), ["levels", 0]),
    forecast("level as true", "valid number", rail(levels=[True]), ["levels", 0]),
    forecast("level twice", "`levels` repeat", rail(levels=[80, 80]), []),
    forecast("levels as a number", "valid list", rail(levels=80), ["levels"]),
    forecast("too many levels", "at most 20 items", rail(levels=list(range(1, 22))), ["levels"]),
    forecast("unknown freq", "Input should be '15min'", rail(freq="fortnight"), ["freq"]),
    forecast("freq of another model", "series of freq D", rail(freq="h"), ["freq"]),
    forecast("unknown freq of a model of any", "Input should be '15min'", rail(model="any", freq="2h"), ["freq"]),
    forecast("freq as a number", "Input should be '15min'", rail(model="any", freq=4), ["freq"]),
    forecast("start that is no date, without freq", "not an ISO 8601 date", rail(model="any", start="in spring"),
        ["start"]),
    forecast("start that is no point of its freq", "not the first day of a month",
        rail(model="any", start="2019-01-31", freq="MS"), ["start"]),
    forecast("covariate of a model without any", "This model takes none",
        rail(model="any", past_covariates={"bus": [1, 2, 3]}), ["past_covariates"]),
    forecast("start that is no date", "not an ISO 8601 date", rail(start="yesterday"), ["start"]),
    forecast("start that never was", "not an ISO 8601 date", rail(start="2019-02-29"), ["start"]),
    forecast("start as a number", "valid string", rail(start=20190101), ["start"]),
    forecast("start at the end of time", "beyond the year 9999", rail(start="9999-12-30"), ["start"]),
    forecast("unknown past covariate", "This model takes bus", rail(past_covariates={"tram": [1, 2, 3]}),
        ["past_covariates"]),
    forecast("past covariate too short", "3 entries are needed", rail(past_covariates={"bus": [1, 2]}),
        ["past_covariates", "bus"]),
    forecast("past covariate infinite", "beyond ±3.4e38", rail(past_covariates={"bus": [1, 2, 1e39]}),
        ["past_covariates", "bus"]),
    forecast("past covariate as text", "valid number", rail(past_covariates={"bus": ["1", 2, 3]}),
        ["past_covariates", "bus", 0]),
    forecast("unknown future covariate", "This model takes day_type", rail(future_covariates={"rain": ["W"] * 4}),
        ["future_covariates"]),
    forecast("future covariate too short", "4 entries are needed", rail(future_covariates={"day_type": ["W"] * 3}),
        ["future_covariates", "day_type"]),
    forecast("unknown category", "one of W, A, U, or null", rail(future_covariates={"day_type": ["W", "W", "W", "X"]}),
        ["future_covariates", "day_type"]),
    forecast("category as a number", "valid string", rail(future_covariates={"day_type": [1, 1, 1, 1]}),
        ["future_covariates", "day_type", 0]),
    forecast("fault in the second series", "valid number",
        rail(values=..., series=[{"values": [1]}, {"values": [1, "x"]}]), ["series", 1, "values", 1]),
    forecast("second series all null", "are all null", rail(values=..., series=[{"values": [1]}, {"values": [None]}]),
        ["series", 1, "values"]),
    forecast("lone surrogate in an id", "lone surrogate", '{"model": "ridership", "values": [1], "id": "\\ud800"}',
        ["id"]),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.route[1:]}: {case.name}")
def test_malformed_request_gets_just_that(client: TestClient, case: Case) -> None:
    response = client.request(case.method, case.route, content=case.content(), headers=case.headers)
    assert response.status_code == case.status, response.text[:500]
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == case.status
    assert problem["type"].startswith("urn:seqserve:problem:")
    assert problem["title"]
    assert problem["detail"]
    if case.status == 422:
        assert case.loc is not None
        places = {tuple(place["loc"]): place["msg"] for place in problem["errors"]}
        assert case.message in places[tuple(case.loc)], problem["errors"]
    else:
        assert case.message in problem["detail"]
        assert "errors" not in problem


SECRET = "kj3h4k5jh3k4j5h"


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/classify", {"model": SECRET, "inputs": "a"}),
        ("/classify", {"model": "spam", "inputs": [SECRET, 1]}),
        ("/classify", {"model": "spam", "inputs": {SECRET: SECRET}}),
        ("/classify", {"model": "spam", "inputs": "a", SECRET: 1}),
        ("/forecast", {"model": "ridership", "values": [1], "past_covariates": {f"<b>{SECRET}</b>": ["x"]}}),
        ("/forecast", {"model": "ridership", "values": [SECRET]}),
        ("/forecast", {"model": "ridership", "values": [1], "start": SECRET}),
        ("/forecast", {"model": "ridership", "values": [1], "freq": SECRET}),
        ("/forecast", {"model": "ridership", "values": [1], "past_covariates": {SECRET: [1]}}),
        ("/forecast", {"model": "ridership", "values": [1], "future_covariates": {"day_type": [SECRET, "W"]}}),
    ],
)
def test_no_value_is_echoed(client: TestClient, route: str, body: dict[str, Any]) -> None:
    response = client.post(route, json=body)
    assert response.status_code in {404, 422}
    assert SECRET not in response.text


def test_many_faults_are_counted_and_the_first_listed(client: TestClient) -> None:
    problem = client.post("/classify", json={"model": "spam", "inputs": ["a" * 200_001] * 30}).json()
    assert len(problem["errors"]) == 20
    assert "The first 20 of 30 are listed." in problem["detail"]


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/classify", {"model": "spam", "inputs": [1] * 500_000}),
        ("/forecast", {"model": "ridership", "series": [{}] * 500_000}),
        ("/forecast", {"model": "ridership", "values": ["x"] * 500_000}),
        ("/forecast", {"model": "ridership", "values": [1], "levels": [0] * 500_000}),
        (
            "/forecast",
            {"model": "ridership", "values": [1], "past_covariates": {str(n): ["x"] for n in range(100_000)}},
        ),
    ],
)
def test_faults_without_number_cost_little(client: TestClient, route: str, body: dict[str, Any]) -> None:
    problem = client.post(route, json=body).json()
    assert problem["status"] == 422
    assert len(problem["errors"]) <= 2


def test_body_over_the_limit_without_content_length(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 64 * 1024 * 1024:
            sent += 1024 * 1024
            yield b" " * 1024 * 1024

    response = client.post("/classify", content=endless(), headers=JSON)
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("headers", "mark"),
    [
        ({"content-type": "application/json; charset=utf-8"}, b""),
        ({"content-type": "APPLICATION/JSON"}, b""),
        ({"content-type": "application/vnd.api+json"}, b""),
        (JSON | {"content-encoding": "identity"}, b""),
        (JSON, b"\xef\xbb\xbf"),
    ],
)
def test_other_ways_to_send_json_are_taken(client: TestClient, headers: dict[str, str], mark: bytes) -> None:
    assert client.post("/classify", content=mark + json.dumps(SPAM).encode(), headers=headers).status_code == 200


def test_unsupported_media_says_what_would_be_taken(client: TestClient) -> None:
    refused = client.post("/classify", content="a", headers={"content-type": "text/plain"})
    assert refused.headers["accept"] == "application/json"
    refused = client.post("/classify", content="a", headers=JSON | {"content-encoding": "br"})
    assert refused.headers["accept-encoding"] == "identity"
