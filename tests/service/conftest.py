"""A running application on the tiny bundles."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.settings import Settings
from tests.support.running_app import running_app


@pytest.fixture(scope="session")
def client(tiny_store: Path) -> Iterator[TestClient]:
    with running_app(Settings(store=tiny_store)) as client:
        yield client
