"""Fixtures shared by all tests: where the real data is, and tiny models trained here."""

import os
from pathlib import Path

import pytest

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
