"""An application that has proved all that its store holds."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings


@contextmanager
def running_app(settings: Settings) -> Iterator[TestClient]:
    """A client of a new application."""
    with TestClient(create_app(settings)) as client:
        assert client.portal is not None
        client.portal.call(client.app_state["context"].catalog.test_pending)
        yield client
