"""A bundle of meaningless files with a valid manifest: for tests of the store alone."""

from functools import partial
from pathlib import Path

from bundle.manifest import FORMAT, Manifest
from bundle.store import publish
from bundle.tasks.forecast.spec import ForecastSpec
from bundle.tensors import TensorSpec

FILES = {"model.onnx": b"not a graph", "golden.npz": b"not arrays", "report.md": b"# blank\n"}


def stub_manifest(version: int, checksums: dict[str, str] | None = None, name: str = "blank") -> Manifest:
    """A manifest of the right form; what it says is made up."""
    return Manifest(
        format=FORMAT,
        name=name,
        version=version,
        spec=ForecastSpec(
            target="y", unit="", freq="D", season=7, context_length=8, horizon=2, quantile_levels=[0.1, 0.5, 0.9]
        ),
        architecture="none",
        recipe={},
        seed=0,
        parameters=0,
        created="2026-01-01T00:00:00+00:00",
        source_commit="unknown",
        data=[],
        inputs=[TensorSpec(name="history", dtype="float32", shape=["batch", "context"])],
        outputs=[TensorSpec(name="quantiles", dtype="float32", shape=["batch", 2, 3])],
        opset=17,
        ir_version=8,
        metrics={},
        libraries={},
        intended_use="tests",
        limits="none",
        files=checksums or dict.fromkeys(FILES, "0" * 64),
    )


def publish_stub(store: Path, name: str = "blank", files: dict[str, bytes] | None = None) -> Manifest:
    """Write the next version of a blank bundle."""
    return publish(store, name, files or FILES, partial(stub_manifest, name=name))
