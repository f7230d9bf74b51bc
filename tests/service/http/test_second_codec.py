"""Other protocols beside native JSON: another shape with path parameters and gzip, and a binary body. Codecs alone."""

import dataclasses
import gzip
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import Response
from starlette.testclient import TestClient

from service.errors import FieldError, Invalid, NotJSON, Refusal
from service.http import json_text, problem
from service.http.codec import Call, EncodedRequest
from service.http.route import PredictRoute
from service.predict import Answers
from service.settings import Settings
from service.tasks.classify.schema import ClassifyOptions
from service.tasks.forecast.schema import ForecastOptions, PlainSeries
from service.tasks.table import TASKS
from tests.support.running_app import running_app


class TensorCodec:
    """A shape like that of model servers: named tensors in and out, the model in the path."""

    task = "classify"
    media_types = ("application/json",)
    content_encodings = ("gzip",)
    response_media_type = "application/json"

    def decode(self, request: EncodedRequest) -> Call:
        document = json_text.parse(request.body)
        try:
            [tensor] = document["inputs"]
            texts = [str(text) for text in tensor["data"]]
        except (KeyError, TypeError, ValueError):
            raise Invalid([FieldError(("inputs",), "Send one tensor of texts")]) from None
        version = request.path_parameters["version"]
        return Call(request.path_parameters["model"], int(version), texts, ClassifyOptions(), document.get("id"))

    def encode(self, call: Call, answers: Answers) -> bytes:
        labels = [result["label"] for result in answers.results]
        tensor = {"name": "label", "datatype": "BYTES", "shape": [len(labels)], "data": labels}
        document = {"model_name": answers.model, "model_version": str(answers.version), "id": call.payload}
        return json.dumps(document | {"outputs": [tensor]}).encode()

    def error(self, error: Exception, call: Call | None) -> Response:
        status = problem.answer(error).status_code
        detail = error.detail if isinstance(error, Refusal) else "internal error"
        return Response(json.dumps({"error": detail, "decoded": call is not None}), status)


class BinaryCodec:
    """Numbers of eight bytes, little-endian: a history in, the medians out."""

    task = "forecast"
    media_types = ("application/octet-stream",)
    content_encodings = ()
    response_media_type = "application/octet-stream"

    def decode(self, request: EncodedRequest) -> Call:
        if len(request.body) % 8:
            raise NotJSON("The body is no whole number of doubles.")
        values = [None if np.isnan(value) else value for value in np.frombuffer(request.body, "<f8").tolist()]
        horizon = next(int(value) for name, value in request.headers if name == b"x-horizon")
        return Call(request.path_parameters["model"], None, [PlainSeries(values)], ForecastOptions(horizon))

    def encode(self, call: Call, answers: Answers) -> bytes:
        medians = answers.results[0]["median"]
        assert len(medians) == call.options.horizon
        return struct.pack(f"<{len(medians)}d", *medians)

    def error(self, error: Exception, call: Call | None) -> Response:
        return Response(str(error), problem.answer(error).status_code, media_type="text/plain")


def with_route(name: str, route: Any) -> Any:
    own = TASKS[name].routes
    return dataclasses.replace(TASKS[name], routes=lambda: [*own(), route])


@pytest.fixture
def client(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    tensors = PredictRoute("/v2/models/{model}/versions/{version}/infer", TensorCodec(), name="infer")
    monkeypatch.setitem(TASKS, "classify", with_route("classify", tensors))
    binary = PredictRoute("/binary/{model}", BinaryCodec(), name="binary")
    monkeypatch.setitem(TASKS, "forecast", with_route("forecast", binary))
    with running_app(Settings(store=tiny_store)) as client:
        yield client


INFER = "/v2/models/spam/versions/1/infer"
TENSOR = {"id": "7", "inputs": [{"name": "text", "datatype": "BYTES", "data": ["win a prize now", "see you at home"]}]}


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_another_shape_with_path_parameters(client: TestClient, encoding: str | None) -> None:
    body = json.dumps(TENSOR).encode()
    headers = {"Content-Type": "application/json"} | ({"Content-Encoding": encoding} if encoding else {})
    answer = client.post(INFER, content=gzip.compress(body) if encoding else body, headers=headers)
    assert answer.status_code == 200
    native = client.post("/classify", json={"model": "spam", "inputs": TENSOR["inputs"][0]["data"]}).json()  # type: ignore[index]
    document = answer.json()
    assert document["outputs"][0]["data"] == [result["label"] for result in native["results"]]
    assert (document["model_name"], document["model_version"], document["id"]) == ("spam-cnn", "1", "7")


@pytest.mark.parametrize(
    ("url", "body", "status", "decoded"),
    [
        (INFER, {"inputs": []}, 422, False),
        (INFER.replace("spam", "unknown"), TENSOR, 404, True),
        (INFER.replace("spam", "ridership"), TENSOR, 422, True),
    ],
)
def test_errors_in_the_codecs_own_words(client: TestClient, url: str, body: Any, status: int, decoded: bool) -> None:
    answer = client.post(url, json=body)
    assert answer.status_code == status
    assert answer.json()["decoded"] is decoded
    assert answer.headers["X-Request-ID"]


def test_a_binary_body(client: TestClient) -> None:
    values = [100.0, 110.0, float("nan"), 130.0, 125.0, 60.0, 40.0] * 4
    headers = {"Content-Type": "application/octet-stream", "X-Horizon": "3"}
    answer = client.post("/binary/ridership", content=struct.pack("<28d", *values), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    sent = [None if np.isnan(value) else value for value in values]
    native = client.post("/forecast", json={"model": "ridership", "values": sent, "horizon": 3}).json()
    assert list(struct.unpack("<3d", answer.content)) == native["forecasts"][0]["median"]
    assert client.post("/binary/ridership", content=b"12345", headers=headers).status_code == 400
    assert client.post("/binary/ridership", json={}).status_code == 415


def test_they_are_counted_and_documented_like_any_route(client: TestClient) -> None:
    client.post(INFER, json=TENSOR)
    assert 'route="/v2/models/{model}/versions/{version}/infer"' in client.get("/metrics").text
    assert {"infer", "binary"} <= {
        operation["operationId"]
        for path in client.get("/openapi.json").json()["paths"].values()
        for operation in path.values()
    }
