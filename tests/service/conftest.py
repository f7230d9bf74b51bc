"""A running application on the tiny store, with a model of any frequency beside."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.settings import Settings
from tests.any_frequency import publish_any_frequency
from tests.settled import settled


@pytest.fixture(scope="session")
def wider_store(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny store and a model of any frequency; read it, don't write to it."""
    store = Path(shutil.copytree(tiny_store, tmp_path_factory.mktemp("wider") / "store"))
    publish_any_frequency(store)
    return store


@pytest.fixture(scope="session")
def client(wider_store: Path) -> Iterator[TestClient]:
    with settled(Settings(store=wider_store)) as client:
        yield client
