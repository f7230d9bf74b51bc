"""A bundle for series of any spacing: a graph of a few nodes, whose answers can be told by heart.

It forecasts the mean of the known values, and intervals as wide as the code of the spacing: none where it is unknown.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bundle.golden import Golden
from bundle.manifest import FORMAT, Manifest
from bundle.store import publish, set_alias
from bundle.tasks.forecast.spec import ForecastSpec

NAME, ALIAS = "any-frequency", "any"
HORIZON = 3
SPEC = ForecastSpec(
    target="anything",
    unit="its own",
    freq=None,
    season=None,
    context_length=200,
    horizon=HORIZON,
    quantile_levels=[0.025, 0.1, 0.5, 0.9, 0.975],
)
WIDTHS = np.broadcast_to(np.array([-2, -1, 0, 1, 2], dtype=np.float32), (1, HORIZON, 5))


def answer(history: NDArray[np.float32], freq: NDArray[np.int64]) -> NDArray[np.float32]:
    """What the graph gives, in numpy."""
    mean = np.nanmean(history, axis=1, keepdims=True)[:, :, None]
    return np.asarray(mean + freq[:, :, None] * WIDTHS, dtype=np.float32)


def graph() -> bytes:
    """The same as ONNX."""
    constants: dict[str, NDArray[Any]] = {
        "zero": np.zeros(1, dtype=np.float32),
        "last": np.array([1], dtype=np.int64),
        "new": np.array([2], dtype=np.int64),
        "widths": np.ascontiguousarray(WIDTHS),
    }
    nodes = [
        helper.make_node("IsNaN", ["history"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "history"], ["filled"]),
        helper.make_node("ReduceSum", ["filled", "last"], ["sum"]),
        helper.make_node("Not", ["missing"], ["known"]),
        helper.make_node("Cast", ["known"], ["counted"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["counted", "last"], ["count"]),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        helper.make_node("Unsqueeze", ["mean", "new"], ["middle"]),
        helper.make_node("Cast", ["freq"], ["code"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["code", "new"], ["scale"]),
        helper.make_node("Mul", ["scale", "widths"], ["around"]),
        helper.make_node("Add", ["middle", "around"], ["quantiles"]),
    ]
    types = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT}
    inputs, outputs = (
        [helper.make_tensor_value_info(spec.name, types[spec.dtype], spec.shape) for spec in specs]
        for specs in (SPEC.inputs(), SPEC.outputs())
    )
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, NAME, inputs, outputs, stored),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


def publish_any_frequency(store: Path) -> None:
    """Write the bundle and its alias."""
    rng = np.random.default_rng(0)
    history = rng.normal(50, 5, (3, SPEC.context_length)).astype(np.float32)
    history[1, :150] = np.nan
    freq = np.array([[0], [4], [9]], dtype=np.int64)
    golden = Golden({"history": history, "freq": freq}, {"quantiles": answer(history, freq)})

    def describe(version: int, checksums: dict[str, str]) -> Manifest:
        return Manifest(
            format=FORMAT,
            name=NAME,
            version=version,
            spec=SPEC,
            architecture="mean",
            recipe={},
            seed=0,
            parameters=0,
            created="2026-01-01T00:00:00+00:00",
            source_commit="unknown",
            data=[],
            inputs=SPEC.inputs(),
            outputs=SPEC.outputs(),
            opset=17,
            ir_version=8,
            metrics={},
            libraries={},
            intended_use="tests",
            limits="none",
            files=checksums,
        )

    publish(store, NAME, {"model.onnx": graph(), "golden.npz": golden.to_bytes()}, describe)
    set_alias(store, ALIAS, NAME)
