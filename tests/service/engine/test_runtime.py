"""One graph in memory: what it refuses, and that it tells nobody."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bundle.manifest import MODEL_FILE
from bundle.store import read_bundle, version_folder
from bundle.tensors import TensorSpec
from service.engine.runtime import InferenceFailed, ModelUnusable, Runtime

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def runtime(tiny_store: Path) -> Runtime:
    bundle = read_bundle(version_folder(tiny_store, "spam-cnn", 1))
    return Runtime(bundle.files[MODEL_FILE], bundle.manifest.inputs, bundle.manifest.outputs)


def test_arrays_in_arrays_out(runtime: Runtime) -> None:
    outputs = runtime.run({"ids": np.full((3, 16), 5, dtype=np.int64)})
    assert set(outputs) == {"probabilities"}
    assert outputs["probabilities"].shape == (3, 2)


@pytest.mark.parametrize("model", [b"", b"no graph"])
def test_what_is_no_graph_is_refused(model: bytes) -> None:
    with pytest.raises(ModelUnusable, match="can't be loaded"):
        Runtime(model, [], [])


def test_graph_that_is_not_the_manifests_is_refused(tiny_store: Path) -> None:
    bundle = read_bundle(version_folder(tiny_store, "spam-cnn", 1))
    wrong = [TensorSpec(name="ids", dtype="float32", shape=["batch", "time"])]
    with pytest.raises(ModelUnusable, match="inputs of"):
        Runtime(bundle.files["model.onnx"], wrong, bundle.manifest.outputs)
    with pytest.raises(ModelUnusable, match="outputs of"):
        Runtime(bundle.files["model.onnx"], bundle.manifest.inputs, [])


def test_arrays_that_do_not_fit_fail_as_a_defect(runtime: Runtime) -> None:
    with pytest.raises(InferenceFailed):
        runtime.run({"ids": np.zeros((1, 2, 3), dtype=np.int64)})


def test_onnxruntime_reports_to_nobody(tiny_store: Path, tmp_path: Path) -> None:
    """It would keep an identifier of the machine below HOME before it sends anything."""
    program = f"""
from pathlib import Path
from bundle.manifest import MODEL_FILE
from bundle.store import read_bundle
from service.engine.runtime import Runtime
bundle = read_bundle(Path({str(tiny_store)!r}) / "spam-cnn" / "1")
Runtime(bundle.files["model.onnx"], bundle.manifest.inputs, bundle.manifest.outputs)
"""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    }
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=ROOT, env=kept | {"HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
