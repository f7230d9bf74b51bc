"""A model that waits: for tests of what is refused meanwhile."""

import threading

from starlette.testclient import TestClient

from service.batcher import Rows
from service.loader import Served


def loaded(client: TestClient, model: str = "spam") -> Served:
    """What answers, in memory."""
    assert client.portal is not None
    served: Served = client.portal.call(client.app_state["context"].catalog.load, model)
    return served


def closed_gate(client: TestClient, model: str = "spam") -> threading.Event:
    """Make the model wait for the event."""
    gate = threading.Event()
    batcher = loaded(client, model).batcher
    compute = batcher.compute

    def wait(arrays: Rows) -> Rows:
        gate.wait(10)
        result: Rows = compute(arrays)
        return result

    batcher.compute = wait
    return gate
