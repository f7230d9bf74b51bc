"""No example of the OpenAPI document drifts from the truth: each is sent to the shipped models, each error provoked."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from service.http.examples import WORKED
from service.http.health import Live, Ready
from service.http.models import ModelCard, ModelList
from service.settings import Settings
from service.tasks.classify.schema import ClassifyResponse
from service.tasks.forecast.actuals import OutcomesResponse
from service.tasks.forecast.schema import ForecastResponse
from service.telemetry.observer import REQUEST_ID
from tests.support.held_model import hold_answers
from tests.support.openapi_operations import OPERATIONS, Operation, examples
from tests.support.running_app import running_app

STORE = Path(__file__).resolve().parents[3] / "models_store"
RESPONSES: dict[str, TypeAdapter[Any]] = {
    response.__name__: TypeAdapter(response)
    for response in (ClassifyResponse, ForecastResponse, OutcomesResponse, ModelList, ModelCard, Live, Ready)
}
UNDECLARED_HEADERS = {"content-length", "content-type", "connection", "x-content-type-options"}
"""OpenAPI describes the first two elsewhere; the third is the connection's, and the last a matter of browsers."""


def send(client: TestClient, operation: Operation, name: str) -> Response:
    path = operation.path.format(**operation.parameters()[name])
    return client.request(operation.method, path, json=operation.bodies().get(name))


def assert_headers_are_declared(response: Response, declared: dict[str, Any]) -> None:
    wanted = {header.lower() for header in declared.get("headers", {})}
    sent = {header.lower() for header in response.headers} - UNDECLARED_HEADERS
    assert REQUEST_ID.lower() in sent <= wanted
    assert len(sent) > 1 or len(wanted) == 1


@pytest.fixture(scope="module")
def shipped() -> Iterator[TestClient]:
    with running_app(Settings(store=STORE)) as client:
        yield client


# --- every route and every error has them ----------------------------------------------------------------------------


def test_examples_are_of_routes_that_are_there() -> None:
    assert WORKED.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_route_has_an_example_of_its_answer(operation: Operation) -> None:
    assert operation.answers()
    assert operation.answers().keys() <= operation.parameters().keys()
    for parameter in operation.spec.get("parameters", []):
        assert parameter["examples"].keys() == operation.parameters().keys()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_error_of_a_route_has_an_example(operation: Operation) -> None:
    for status, response in operation.responses(good=False).items():
        assert examples(response), f"{operation.id} shows no example of {status}"
        for example in examples(response).values():
            assert example["summary"]
            assert example["description"]


# --- answers ---------------------------------------------------------------------------------------------------------

ANSWERED = [(name, shown) for name, operation in OPERATIONS.items() for shown in operation.parameters()]

OF_EACH_FITTING = {"seed", "parameters", "created", "source_commit", "libraries", "files"}
"""Parts of a card that change whenever the model is fitted anew: their form is compared, not their value."""


@pytest.mark.parametrize(("operation_id", "name"), ANSWERED)
def test_example_is_answered_as_shown(shipped: TestClient, operation_id: str, name: str) -> None:
    operation = OPERATIONS[operation_id]
    response = send(shipped, operation, name)
    assert response.status_code == 200, response.text
    [(media_type, content), *_] = operation.spec["responses"]["200"]["content"].items()
    assert response.headers["content-type"].startswith(media_type)
    assert_headers_are_declared(response, operation.spec["responses"]["200"])
    answer = response.json() if media_type == "application/json" else response.text
    shown = [operation.answers()[name]["value"]] if name in operation.answers() else []
    if "$ref" in content["schema"]:
        for value in (answer, *shown):
            RESPONSES[content["schema"]["$ref"].rpartition("/")[2]].validate_python(value)
    for value in shown:
        compare(value, answer, part=operation.method == "get")


def compare(shown: Any, answer: Any, *, part: bool) -> None:
    """What is shown is what was answered, within what a model fitted anew may say; of `GET` a part may be shown."""
    match shown:
        case dict():
            assert shown.keys() <= answer.keys() if part else shown.keys() == answer.keys()
            for key, value in shown.items():
                if part and key in OF_EACH_FITTING and not isinstance(value, list):
                    assert type(value) is type(answer[key]), key
                else:
                    compare(value, answer[key], part=part)
        case list() if part and shown and isinstance(shown[0], dict):
            named = {one["name"]: one for one in answer}
            for value in shown:
                compare(value, named[value["name"]], part=part)
        case list():
            assert set(map(str, shown)) <= set(map(str, answer)) if part else len(shown) == len(answer)
            for mine, other in zip(shown, answer, strict=True) if not part else ():
                compare(mine, other, part=part)
        case str() if part and shown.endswith("…"):
            assert answer.startswith(shown[:-1])
        case float():
            assert answer == pytest.approx(shown, rel=0.1, abs=0.05)
        case _:
            assert answer == shown


# --- errors ----------------------------------------------------------------------------------------------------------

REFUSED = [
    (operation_id, status, name)
    for operation_id, operation in OPERATIONS.items()
    for status, response in operation.responses(good=False).items()
    for name in examples(response)
]


@contextlib.contextmanager
def running(**settings: Any) -> Iterator[TestClient]:
    with running_app(Settings(**settings)) as client:
        yield client


def first(client: TestClient, operation: Operation) -> Response:
    return send(client, operation, next(iter(operation.parameters())))


def model_of(operation: Operation) -> str:
    return str(next(iter(operation.bodies().values()))["model"])


def crowded(operation: Operation, _folder: Path) -> Response:
    with running(store=STORE, max_waiting_requests=1) as client, ThreadPoolExecutor(2) as pool:
        gate = hold_answers(client, model_of(operation))
        asked = [pool.submit(first, client, operation) for _ in range(2)]
        refused = next(as_completed(asked, timeout=10)).result()
        gate.set()
        return refused


def slow(operation: Operation, _folder: Path) -> Response:
    with running(store=STORE, deadline_seconds=0.5) as client:
        gate = hold_answers(client, model_of(operation))
        refused = first(client, operation)
        gate.set()
        return refused


def without_models(operation: Operation, folder: Path) -> Response:
    with running(store=folder / "nowhere") as client:
        return first(client, operation)


def on_an_empty_store(operation: Operation, folder: Path) -> Response:
    with running(store=folder) as client:
        return first(client, operation)


def without_a_required_model(operation: Operation, _folder: Path) -> Response:
    with running(store=STORE, required_models=["weather"]) as client:
        return first(client, operation)


STATES: dict[str, Callable[[Operation, Path], Response]] = {
    "While as many requests wait for the model as SEQSERVE_MAX_WAITING_REQUESTS allows.": crowded,
    "Where SEQSERVE_DEADLINE_SECONDS is 0.5 and the answer takes longer.": slow,
    "While no model is loaded, as when SEQSERVE_STORE names a folder that isn't there.": without_models,
    "On a store without any bundle.": on_an_empty_store,
    'Where SEQSERVE_REQUIRED_MODELS is ["weather"], which is not in the store.': without_a_required_model,
}


def send_message(client: TestClient, message: str) -> Response:
    """Send a request as it is shown: method and path, headers, body."""
    method, path, headers, body = re.fullmatch(r"(\w+) (\S+)\n?((?:[\w-]+: .*\n?)*)\n?([\s\S]*)", message).groups()  # type: ignore[union-attr]
    shown = dict(line.split(": ", 1) for line in headers.splitlines())
    return client.request(method, path, content=body, headers={"Content-Type": "application/json"} | shown)


@pytest.mark.parametrize(("operation_id", "status", "name"), REFUSED)
def test_mistake_gets_just_the_error_shown(
    shipped: TestClient, tmp_path: Path, operation_id: str, status: str, name: str
) -> None:
    operation = OPERATIONS[operation_id]
    declared = operation.spec["responses"][status]
    example = examples(declared)[name]
    if message := re.fullmatch(r"```http\n(.*)\n```", example["description"], re.DOTALL):
        method, path = message[1].split()[:2]
        assert re.fullmatch(re.sub(r"{\w+}", "[^/]+", operation.path), path)
        assert method.lower() == operation.method
        response = send_message(shipped, message[1])
    else:
        response = STATES[example["description"]](operation, tmp_path)
    assert response.status_code == int(status)
    assert response.headers["content-type"] == "application/problem+json"
    assert json.loads(response.content) == example["value"]
    assert_headers_are_declared(response, declared)


def test_null_is_kept_in_examples() -> None:
    """FastAPI drops it from examples that it is given."""
    several = OPERATIONS["forecast"].bodies()["Several series, one with a gap, one without dates"]["series"]
    assert None in several[0]["values"]
    assert several[1]["freq"] is None
