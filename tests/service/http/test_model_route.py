"""Large requests for a model whose queue is full are refused unread; all others are read first."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.http.model_route import LARGE_BYTES
from service.settings import Settings
from tests.support.held_model import loaded
from tests.support.running_app import running_app

Ask = Callable[[bytes], int]
FILLING = b" " * LARGE_BYTES
LONG = "word " * LARGE_BYTES


@pytest.fixture
def full(tiny_store: Path) -> Iterator[Ask]:
    """Asks `/classify` while the queue of `spam-cnn` is full; gives the status."""
    with running_app(Settings(store=tiny_store, max_waiting_requests=1)) as client:
        loaded(client).batcher.occupy(num_rows=1)
        yield lambda body: _status(client, body)
        loaded(client).batcher.vacate(num_rows=1)


def _status(client: TestClient, body: bytes) -> int:
    return client.post("/classify", content=body, headers={"Content-Type": "application/json"}).status_code


@pytest.mark.parametrize("model", ["spam", "spam-cnn"])
def test_a_large_body_is_refused_before_it_is_read(full: Ask, model: str) -> None:
    assert full(b'{"model": "%s", "inputs": [5%s]}' % (model.encode(), FILLING)) == 429
    assert full(b'{"inputs":"%s","model" :\n "%s"' % (FILLING, model.encode())) == 429


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"model": "spam", "inputs": 5}', 422),
        (b'{"model": "spam", "version": 1, "inputs": 5%s}' % FILLING, 422),
        (b'{"model": "unknown", "inputs": 5%s}' % FILLING, 422),
        (b'{"model": "unknown", "inputs": ""%s}' % FILLING, 404),
        (b'{"model": 7, "inputs": ""%s}' % FILLING, 422),
        (b'{"inputs": ""%s}' % FILLING, 422),
        (FILLING, 400),
    ],
)
def test_what_does_not_name_a_full_model_is_read(full: Ask, body: bytes, status: int) -> None:
    assert full(body) == status


def test_a_text_that_names_a_model_is_no_model(full: Ask) -> None:
    text = '{"model": "spam"}, "model": "spam", ' + LONG
    assert full(json.dumps({"model": "unknown", "inputs": text}).encode()) == 404
    assert full(json.dumps({"model": "spam", "inputs": text}).encode()) == 429


def test_with_room_nothing_changes(tiny_store: Path) -> None:
    with running_app(Settings(store=tiny_store, max_waiting_requests=1)) as client:
        assert _status(client, json.dumps({"model": "spam", "inputs": LONG[:5000]}).encode()) == 200
        assert _status(client, b'{"model": "spam", "inputs": [5%s]}' % FILLING) == 422
