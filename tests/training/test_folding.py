"""A folded graph computes the same with less: constants are computed, parameters are still there, by name."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bundle.golden import Run
from training.export import optimised, session
from training.folding import folded


def array(*numbers: float) -> NDArray[np.float32]:
    return np.array(numbers, np.float32)


def graph() -> onnx.ModelProto:
    """`(2 · 3 · x + weight + twin)`, where the twin is the weight by another name, and a chain that does nothing."""
    nodes = [
        helper.make_node("Constant", [], ["two"], name="of the exporter", value=numpy_helper.from_array(array(2))),
        helper.make_node("Constant", [], ["three"], value=numpy_helper.from_array(array(3))),
        helper.make_node("Mul", ["two", "three"], ["six"]),
        helper.make_node("Identity", ["layer.weight"], ["layer.twin"]),
        helper.make_node("Identity", ["x"], ["the same x"]),
        helper.make_node("Mul", ["the same x", "six"], ["scaled"]),
        helper.make_node("Neg", ["layer.weight"], ["less"]),
        helper.make_node("Sub", ["scaled", "less"], ["moved"]),
        helper.make_node("Add", ["moved", "layer.twin"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in "xy"]
    weight = numpy_helper.from_array(array(1, 2, 3), "layer.weight")
    document = helper.make_graph(nodes, "g", values[:1], values[1:], [weight])
    return helper.make_model(document, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_constants_are_computed_and_parameters_are_kept() -> None:
    smaller = folded(graph(), optimised)
    onnx.checker.check_model(smaller, full_check=True)
    assert sorted(node.op_type for node in smaller.graph.node) == ["Add", "Mul", "Neg", "Sub"]
    held = {one.name: numpy_helper.to_array(one).tolist() for one in smaller.graph.initializer}
    assert held.pop("layer.weight") == held.pop("layer.twin") == [1, 2, 3]
    assert list(held.values()) == [[6]]
    assert [value.name for value in smaller.graph.input] == ["x"]
    assert [imported.domain for imported in smaller.opset_import] == [""]


def test_it_computes_the_same() -> None:
    run: list[Run] = [session(model.SerializeToString()) for model in (graph(), folded(graph(), optimised))]
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    before, after = (one({"x": x})["y"] for one in run)
    np.testing.assert_array_equal(before, 6 * x + 2 * array(1, 2, 3))
    np.testing.assert_array_equal(after, before)


def test_a_name_of_the_graph_is_a_number() -> None:
    smaller = folded(graph(), optimised)
    names = {name for node in smaller.graph.node for name in (*node.input, *node.output)}
    assert all(name.isdigit() for name in names - {"x", "y", "layer.weight", "layer.twin"})
    assert not any(node.name for node in smaller.graph.node)
