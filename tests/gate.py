"""A model that waits: for tests of what is refused meanwhile."""

import threading

from starlette.testclient import TestClient

from service.batcher import Rows


def closed_gate(client: TestClient, model: str = "spam") -> threading.Event:
    """Make the model wait for the event."""
    gate = threading.Event()
    batcher = client.app_state["context"].catalog.find(model).batcher
    compute = batcher.compute

    def wait(arrays: Rows) -> Rows:
        gate.wait(10)
        result: Rows = compute(arrays)
        return result

    batcher.compute = wait
    return gate
