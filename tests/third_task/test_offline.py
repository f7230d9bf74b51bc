"""The task offline: fit, export, publish, republish, compare, evaluate."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from bundle.store import list_versions, read_aliases, read_bundle, version_folder
from tests.third_task.bundle import VowelsSpec
from tests.third_task.training import VowelsRecipe
from training import commands, republish
from training.compare.command import compare
from training.compare.compare import Comparison
from training.recipes import RECIPES
from training.tasks import Period


@pytest.fixture
def store(vowels_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(RECIPES, "vowels-linear", VowelsRecipe)
    return Path(shutil.copytree(vowels_store, tmp_path / "store"))


def test_it_is_fitted_exported_and_published(vowels_store: Path) -> None:
    manifest = read_bundle(version_folder(vowels_store, "vowels-linear", 1)).manifest
    assert manifest.spec == VowelsSpec(max_characters=64)
    assert manifest.metrics["model"]["mae"] < 0.1 < manifest.metrics["mean"]["mae"]
    assert read_aliases(vowels_store)["vowels"].name == "vowels-linear"


def test_it_is_republished(store: Path) -> None:
    assert republish.republish("vowels-linear", store).version == 2
    assert list_versions(store)["vowels-linear"] == [1, 2]


def test_it_is_evaluated_on_a_file(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts.txt").write_text("aria\nglyph hymn\n")
    evaluated: Any = commands.evaluate("vowels", store, None, tmp_path / "texts.txt", Period())
    assert evaluated == 0
    assert '"rows": 2' in capsys.readouterr().out


def test_it_is_compared(tmp_path: Path) -> None:
    comparison = Comparison("vowels", {"linear": VowelsRecipe()})  # type: ignore[dict-item]
    output = tmp_path / "report"
    command = "python -m training compare vowels"
    assert compare(comparison, None, 2, tmp_path, output, None, None, command, progress=False) == 0
    assert "MAE" in (output / "report.html").read_text()
