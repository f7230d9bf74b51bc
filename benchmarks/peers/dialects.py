"""How texts travel to the peers that have a protocol of their own, and labels back."""

import json
from dataclasses import replace

from benchmarks.serving.contender import JSON_HEADERS, SEQSERVE_TEXTS, Answers, Dialect, Request, Rows


def _post(path: str, body: object) -> Request:
    return Request(path, json.dumps(body).encode(), JSON_HEADERS)


def _ask_bentoml(_model: str, texts: Rows) -> Request:
    return _post("/classify", {"inputs": list(texts)})


def _read_bentoml(body: bytes) -> Answers:
    return [result["label"] for result in json.loads(body)]


def _ask_v1(model: str, texts: Rows) -> Request:
    return _post(f"/v1/models/{model}:predict", {"instances": list(texts)})


def _read_v1(body: bytes) -> Answers:
    return [result["label"] for result in json.loads(body)["predictions"]]


def _ask_v2(model: str, texts: Rows) -> Request:
    tensor = {"name": "text", "shape": [len(texts), 1], "datatype": "BYTES", "data": list(texts)}
    return _post(f"/v2/models/{model}/infer", {"inputs": [tensor]})


def _read_v2(body: bytes) -> Answers:
    labels: list[str] = next(tensor for tensor in json.loads(body)["outputs"] if tensor["name"] == "label")["data"]
    return labels


def _ask_torchserve(model: str, texts: Rows) -> Request:
    return replace(SEQSERVE_TEXTS.ask(model, texts), path=f"/predictions/{model}")


BENTOML = Dialect(_ask_bentoml, _read_bentoml)
"""A method's parameters are the keys of the body; one that is batched takes one list."""
V1 = Dialect(_ask_v1, _read_v1)
"""KServe's first protocol, TensorFlow Serving's."""
V2 = Dialect(_ask_v2, _read_v2)
"""The Open Inference Protocol: labels and scores come back as one tensor each."""
TORCHSERVE = Dialect(_ask_torchserve, SEQSERVE_TEXTS.read)
