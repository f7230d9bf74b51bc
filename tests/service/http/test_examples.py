"""No example of the OpenAPI document drifts from the truth: each is sent to the shipped models, each error provoked.

Answers are compared in shape, and a request for a version asks for the one in service: both change with each fit.
"""

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

from service.http.examples import read_examples
from service.http.health import Live, Ready
from service.http.models import ModelCard, ModelList
from service.http.observer import REQUEST_ID
from service.settings import Settings
from service.tasks.classify.schema import ClassifyResponse
from service.tasks.forecast.actuals import OutcomesResponse
from service.tasks.forecast.schema import ForecastResponse
from service.tasks.table import TASKS
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


NOT_SERVED = "99"
"""The version of examples that name one which isn't there."""


def send(client: TestClient, operation: Operation, name: str) -> Response:
    path = operation.path.format(**operation.parameters()[name])
    body = operation.bodies().get(name)
    return send_message(client, f"{operation.method} {path}\n\n" + ("" if body is None else json.dumps(body)))


def send_message(client: TestClient, message: str) -> Response:
    """Send a request as it is shown: method and path, headers, body."""
    message = of_version_in_service(client, message)
    method, path, headers, body = re.fullmatch(r"(\w+) (\S+)\n?((?:[\w-]+: .*\n?)*)\n?([\s\S]*)", message).groups()  # type: ignore[union-attr]
    shown = dict(line.split(": ", 1) for line in headers.splitlines())
    return client.request(method, path, content=body, headers={"Content-Type": "application/json"} | shown)


def of_version_in_service(client: TestClient, message: str) -> str:
    """The request with the version that is in service in place of the one shown."""
    listed = client.get("/models").json()
    versions = {model["name"]: model["version"] for model in listed["models"]}
    versions |= {alias: target["version"] for alias, target in listed["aliases"].items()}
    model = re.search(r'(?:"model": "|/models/)([\w-]+)', message)
    if model is None or versions.get(model[1]) is None:
        return message
    return re.sub(rf'("version": |/versions/)(?!{NOT_SERVED})\d+', rf"\g<1>{versions[model[1]]}", message)


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
    assert read_examples(task.examples for task in TASKS.values()).keys() == OPERATIONS.keys()


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

COMPARED = {"label", "text", "id", "timestamps", "warnings", "status", "task"}
"""Keys of texts that no fit changes; of others only the shape is compared."""


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
        assert_alike(value, answer, part=operation.method == "get")


def assert_alike(shown: Any, answer: Any, *, part: bool, key: str = "") -> None:
    """What is shown has the shape of what was answered; of `GET` a part may be shown."""
    match shown:
        case dict():
            assert shown.keys() <= answer.keys() if part else shown.keys() == answer.keys()
            for own_key, value in shown.items():
                assert_alike(value, answer[own_key], part=part, key=own_key)
        case list() if part and shown and isinstance(shown[0], dict):
            named = {one["name"]: one for one in answer}
            for value in shown:
                assert_alike(value, named[value["name"]], part=part)
        case list():
            assert len(shown) <= len(answer) if part else len(shown) == len(answer)
            for mine, other in zip(shown, answer, strict=not part):
                assert_alike(mine, other, part=part, key=key)
        case bool() | None:
            assert answer is shown
        case int() | float():
            assert isinstance(answer, int | float)
            assert not isinstance(answer, bool)
        case str() if key in COMPARED:
            assert answer == shown
        case str() if shown.endswith("…"):
            assert answer.startswith(shown[:-1])
        case _:
            assert isinstance(answer, type(shown))


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
