"""A typed client is generated from the OpenAPI document without a warning, and drives every operation."""

import importlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import httpx
import pytest
import uvicorn

from service.app import create_app
from service.settings import Settings
from tests.support.openapi_operations import OPERATIONS, Operation
from tests.support.running_app import running_app
from tests.support.service_process import wait_for_self_tests

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
STORE = ROOT / "models_store"

URL = "http://127.0.0.1:8000"
"""Where the documentation thinks the service is."""

PROGRAM = """
import sys

from seqserve_client import Client
from seqserve_client.api.health import readyz
from seqserve_client.api.models import list_models, show_model, show_version
from seqserve_client.api.predict import classify, forecast
from seqserve_client.models import (
    ClassifyRequest,
    ClassifyResponse,
    ForecastRequest,
    ForecastResponse,
    Freq,
    ModelCard,
    ModelList,
    Problem,
    Ready,
    SeriesInput,
    SeriesInputPastCovariates,
)

with Client(base_url=sys.argv[1]) as client:
    ready = readyz.sync(client=client)
    assert isinstance(ready, Ready)
    models = list_models.sync(client=client)
    assert isinstance(models, ModelList)
    print(ready.status, models.models[0].name, models.models[0].frequencies[3] == Freq.D)

    labelled = classify.sync(client=client, body=ClassifyRequest(model="spam", inputs=["Claim your prize!", "ok"]))
    assert isinstance(labelled, ClassifyResponse)
    for result in labelled.results:
        print(result.label, round(result.scores[result.label]) == round(result.score))

    bus = SeriesInputPastCovariates.from_dict({"bus": [8.1, None]})
    series = SeriesInput(values=[7.2, None], start="2019-01-07", freq=Freq.D, past_covariates=bus)
    continued = forecast.sync(client=client, body=ForecastRequest(model="ridership", series=[series], horizon=2))
    assert isinstance(continued, ForecastResponse)
    print(continued.forecasts[0].timestamps, len(continued.forecasts[0].intervals["80"].upper))

    card = show_model.sync("spam", client=client)
    assert isinstance(card, ModelCard)
    same = show_version.sync(card.name, str(card.version), client=client)
    print(card.manifest.spec.task, same == card)

    refused = forecast.sync(client=client, body=ForecastRequest(model="ridership", values=[None]))
    assert isinstance(refused, Problem)
    assert isinstance(refused.errors, list)
    print(refused.status, refused.errors[0].loc)
"""

PRINTED = """ready forecast-cnn True
spam True
ham True
['2019-01-09', '2019-01-10'] 2
classify True
422 ['values']
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the generated package `seqserve_client` lies, and programs that use it."""
    folder = tmp_path_factory.mktemp("generated")
    with running_app(Settings(store=folder)) as service:
        (folder / "openapi.json").write_bytes(service.get("/openapi.json").content)
    (folder / "settings.yml").write_text("post_hooks: []\n")  # formatting it would prove nothing
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta", "none"]
    command += ["--config", "settings.yml", "--output-path", "seqserve_client", "--fail-on-warning"]
    generated = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert generated.returncode == 0, generated.stdout + generated.stderr
    assert "Warning" not in generated.stdout + generated.stderr
    (folder / "program.py").write_text(PROGRAM)
    [documented] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    assert URL in documented
    (folder / "documented.py").write_text("import sys\n\n" + documented.replace(f'"{URL}"', "sys.argv[1]"))
    return folder


@pytest.fixture(scope="module")
def client_package(folder: Path) -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("seqserve_client")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A running service with the shipped models."""
    config = uvicorn.Config(create_app(Settings(store=STORE)), port=0, log_config=None, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the service stopped"
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        wait_for_self_tests(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_operations_are_named_as_python_functions_are() -> None:
    for operation_id in OPERATIONS:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)?", operation_id)


def parsed(package: ModuleType, url: str, operation: Operation, name: str) -> Any:
    """What the generated client makes of the answer to an example."""
    [tag] = operation.spec["tags"]
    route = importlib.import_module(f"{package.__name__}.api.{tag}.{operation.id}")
    arguments: dict[str, Any] = dict(operation.parameters()[name])
    if name in operation.bodies():
        schema = operation.spec["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        models = importlib.import_module(f"{package.__name__}.models")
        arguments["body"] = getattr(models, schema).from_dict(operation.bodies()[name])
    with package.Client(base_url=url) as client:
        return route.sync(client=client, **arguments)


@pytest.mark.parametrize(
    ("operation_id", "name"), [(key, name) for key, operation in OPERATIONS.items() for name in operation.parameters()]
)
def test_client_reads_every_answer_whole(client_package: ModuleType, url: str, operation_id: str, name: str) -> None:
    operation = OPERATIONS[operation_id]
    path = operation.path.format(**operation.parameters()[name])
    answer = httpx.request(operation.method, url + path, json=operation.bodies().get(name))
    read = parsed(client_package, url, operation, name)
    if isinstance(read, str):
        assert read.splitlines()[0] == answer.text.splitlines()[0]
    else:
        assert read.to_dict() == answer.json()
        assert unread(read) == set()


def unread(value: Any) -> set[str]:
    """Keys of the answer that the document doesn't speak of."""
    if isinstance(value, list):
        return set().union(*map(unread, value))
    if not hasattr(value, "additional_properties"):
        return set()
    named = {field.name for field in attrs.fields(type(value))} - {"additional_properties"}
    if not named:  # a dictionary of free keys: what it holds is looked at
        return set().union(*map(unread, value.additional_properties.values()))
    return set(value.additional_properties).union(*(unread(getattr(value, name)) for name in named))


def test_programs_with_the_client_are_well_typed(folder: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file="]
    command += ["program.py", "documented.py"]
    checked = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_program_with_the_client_runs(folder: Path, url: str) -> None:
    ran = subprocess.run([sys.executable, "program.py", url], cwd=folder, capture_output=True, text=True)
    assert ran.stdout == PRINTED, ran.stderr


def test_program_of_the_documentation_runs(folder: Path, url: str) -> None:
    ran = subprocess.run([sys.executable, "documented.py", url], cwd=folder, capture_output=True, text=True)
    assert ran.stdout.startswith("['2024-06-01'] ["), ran.stderr
