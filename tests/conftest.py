"""Fixtures shared by all tests: where the real data is, and a store of tiny models."""

import os
from pathlib import Path

import hypothesis
import pytest

from tests.support.tiny_bundles import copy_tiny_bundles

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def real_data_folder() -> Path | None:
    """`$SEQSERVE_DATA`, or `shared/data` beside the checkout; None where neither is there."""
    named = os.environ.get("SEQSERVE_DATA")
    folder = Path(named) if named else SHARED_DATA
    return folder if folder.is_dir() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if real_data_folder() is None:
        skip = pytest.mark.skip(reason="no real data: set SEQSERVE_DATA to the folder that holds it")
        for item in items:
            if item.get_closest_marker("real_data"):
                item.add_marker(skip)


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real data, with `SEQSERVE_DATA` pointing at it."""
    folder = real_data_folder()
    assert folder is not None, "mark the test real_data"
    monkeypatch.setenv("SEQSERVE_DATA", str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the tiny bundles; read it, don't write to it."""
    return copy_tiny_bundles(tmp_path_factory.mktemp("tiny") / "store")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of the tiny bundles to write to."""
    return copy_tiny_bundles(tmp_path / "store")
