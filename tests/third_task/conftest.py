"""The task, registered in the three tables, and a store with a model of it, fitted here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import bundle.tasks
import service.tasks.table
import training.tasks.table
from tests.support.tiny_bundles import copy_tiny_bundles
from tests.third_task import bundle as bundle_half
from tests.third_task import service as service_half
from tests.third_task import training as training_half
from training.commands import fit


@pytest.fixture(scope="package", autouse=True)
def registered() -> Iterator[None]:
    """One entry a table: nothing else knows the task."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(bundle.tasks.TASKS, "vowels", bundle_half.VOWELS)
        patch.setitem(service.tasks.table.TASKS, "vowels", service_half.VOWELS)
        patch.setitem(training.tasks.table.TASKS, "vowels", training_half.VOWELS)
        yield


@pytest.fixture(scope="package")
def vowels_store(registered: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny store and `vowels-sum`; read it, don't write to it."""
    store = copy_tiny_bundles(tmp_path_factory.mktemp("vowels") / "store")
    recipe = training_half.VowelsRecipe()
    assert fit(recipe, store, 0, tmp_path_factory.mktemp("runs"), progress=False) == 0  # type: ignore[arg-type]
    return store
