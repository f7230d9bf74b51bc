"""A running application on the tiny store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings


@pytest.fixture(scope="session")
def client(tiny_store: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(store=tiny_store))) as client:
        yield client
