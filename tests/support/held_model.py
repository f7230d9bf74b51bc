"""A model that waits: for tests of what is refused meanwhile."""

import threading
from collections.abc import Sequence
from typing import Any

from starlette.testclient import TestClient

from service.catalog.loader import LoadedModel


def load_model(client: TestClient, model: str = "spam") -> LoadedModel:
    """The model, loaded as a request would."""
    assert client.portal is not None
    served: LoadedModel = client.portal.call(client.app_state["context"].catalog.load, model)
    return served


def hold_answers(client: TestClient, model: str = "spam") -> threading.Event:
    """Make the model wait for the event."""
    gate = threading.Event()
    engine: Any = load_model(client, model).engine.batcher.engine
    compute = engine.compute

    def wait(parts: Sequence[Any]) -> Any:
        gate.wait(60)
        return compute(parts)

    engine.compute = wait
    return gate
