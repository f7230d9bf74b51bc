"""Fit the tiny bundles that tests serve: `python -m tests.remake_bundles` replaces those in tests/bundles."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.tiny_bundles import TINY_BUNDLES
from tests.training.any_frequency import publish_any_frequency
from tests.training.tiny_recipes import TinySeries, TinyTexts, tiny_ridership, tiny_spam
from training.data.loaders import COVARIATE_SERIES, LABELLED_TEXTS
from training.publish import publish
from training.tasks.table import TASKS


def make_bundles(store: Path) -> None:
    """Publish version 1 of each tiny bundle, with its alias, in an empty store."""
    with tempfile.TemporaryDirectory() as runs, pytest.MonkeyPatch.context() as patch:
        patch.setitem(LABELLED_TEXTS, "tiny", TinyTexts())
        patch.setitem(COVARIATE_SERIES, "tiny", TinySeries())
        for recipe in (tiny_spam(), tiny_ridership()):
            trained = TASKS[recipe.task].fit(recipe, 0, Path(runs) / recipe.name, progress=False)
            publish(recipe, 0, trained, store)
    publish_any_frequency(store)
    (store / ".lock").unlink()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "store"
        make_bundles(made)
        shutil.rmtree(TINY_BUNDLES)
        shutil.copytree(made, TINY_BUNDLES)
