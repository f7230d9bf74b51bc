"""The tiny bundles that tests serve are what the training code makes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.golden import Golden, relative_difference
from bundle.store import list_versions, read_aliases, read_bundle, version_folder
from tests.remake_bundles import make_bundles
from tests.support.tiny_bundles import TINY_BUNDLES
from training.export import session

TOLERANCE = 0.05
"""Of the scale of the answers: another processor rounds otherwise, and training adds that up."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("made") / "store"
    make_bundles(store)
    return store


def manifest(store: Path, name: str) -> dict[str, Any]:
    """What a manifest says, without what differs with each fit, machine and day."""
    document: dict[str, Any] = json.loads((version_folder(store, name, 1) / "manifest.json").read_text())
    for field in ("created", "source_commit", "libraries", "metrics", "calibration"):
        document.pop(field, None)
    for field in ("threshold", "temperature"):
        document["spec"].pop(field, None)
    return document | {"files": sorted(document["files"])}


@pytest.mark.slow
@pytest.mark.parametrize("name", list_versions(TINY_BUNDLES))
def test_training_makes_the_committed_bundle(made: Path, name: str) -> None:
    assert list_versions(made) == list_versions(TINY_BUNDLES)
    assert read_aliases(made) == read_aliases(TINY_BUNDLES)
    assert manifest(made, name) == manifest(TINY_BUNDLES, name)
    new, old = (read_bundle(version_folder(store, name, 1)).files for store in (made, TINY_BUNDLES))
    golden = Golden.from_bytes(old["golden.npz"])
    for input_name, values in Golden.from_bytes(new["golden.npz"]).inputs.items():
        np.testing.assert_array_equal(values, golden.inputs[input_name])
    for output, values in session(new["model.onnx"])(golden.inputs).items():
        assert relative_difference(golden.outputs[output], values) < TOLERANCE
