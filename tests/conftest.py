"""Fixtures shared by all tests: where the real data is, and a store of tiny models."""

import os
from pathlib import Path

import hypothesis
import pytest

from tests.support.tiny_bundles import copy_tiny_bundles

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")

TESTS = Path(__file__).resolve().parent
SHARED_DATA = TESTS.parents[1] / "shared" / "data"


def real_data_folder() -> Path | None:
    """`$SEQSERVE_DATA`, or `shared/data` beside the checkout; None where neither is there."""
    named = os.environ.get("SEQSERVE_DATA")
    folder = Path(named) if named else SHARED_DATA
    return folder if folder.is_dir() else None


SLOW_FOLDERS = ("docs", "page", "prove")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of whole folders as slow; skip those that need data where there is none."""
    folder = real_data_folder()
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in SLOW_FOLDERS:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("real_data"):
            item.add_marker(pytest.mark.slow)
            if folder is None:
                item.add_marker(pytest.mark.skip(reason="no real data: set SEQSERVE_DATA to the folder that holds it"))


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
