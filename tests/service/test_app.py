"""Refusals that need a particular moment: a full queue, a passed deadline, a defect of ours; and who computes."""

from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NoReturn

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.engine.cpus import available_cpus
from service.settings import Settings
from tests.support.held_model import hold_answers, load_model
from tests.support.running_app import running_app

BODY = {"model": "spam", "inputs": "hello"}


def test_passed_deadline_is_a_504(tiny_store: Path) -> None:
    with running_app(Settings(store=tiny_store, deadline_seconds=0.1)) as client:
        gate = hold_answers(client)
        response = client.post("/classify", json=BODY)
        gate.set()
        assert response.status_code == 504
        assert "within 0.1 seconds" in response.json()["detail"]


def test_full_queue_is_a_429_and_health_still_answers(tiny_store: Path) -> None:
    with running_app(Settings(store=tiny_store, max_waiting_requests=2)) as client, ThreadPoolExecutor(3) as pool:
        gate = hold_answers(client)
        answers = [pool.submit(client.post, "/classify", json=BODY) for _ in range(3)]
        done = next(as_completed(answers, timeout=10))
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 200
        gate.set()
        refused = done.result()
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert sorted(future.result().status_code for future in answers) == [200, 200, 429]


def test_defect_of_ours_is_a_500_that_tells_nothing(tiny_store: Path) -> None:
    with TestClient(create_app(Settings(store=tiny_store)), raise_server_exceptions=False) as client:
        engine: Any = load_model(client).engine.batcher.engine

        def broken(_parts: Any) -> NoReturn:
            raise RuntimeError("secret path")

        engine.compute = broken
        response = client.post("/classify", json=BODY)
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert "secret" not in response.text


@pytest.mark.parametrize(
    ("files", "at_most"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 1024),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1024),
        ({}, 1024),
    ],
)
def test_container_quota_limits_the_cpus(tmp_path: Path, files: dict[str, str], at_most: int) -> None:
    unlimited = available_cpus(tmp_path)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert available_cpus(tmp_path) == min(unlimited, at_most)
