"""Which graphs may be handed to onnxruntime; tests/support/broken_bundles.py has ways to smuggle something past."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bundle.graph import OPERATORS, GraphRefused, check_graph

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "models_store").glob("*/*/model.onnx")), ids=lambda path: path.parts[-3]
)
def test_shipped_graphs_are_let_in(path: Path) -> None:
    check_graph(path.read_bytes())


def test_every_operator_on_the_list_is_one_of_onnx() -> None:
    known = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
    assert known >= OPERATORS


def test_no_operator_on_the_list_holds_graphs_or_gives_another_answer_each_time() -> None:
    for name in OPERATORS:
        schema = onnx.defs.get_schema(name)
        kinds = {str(attribute.type) for attribute in schema.attributes.values()}
        assert not any("GRAPH" in kind for kind in kinds), name
        assert "seed" not in schema.attributes, name


def graph(*nodes: onnx.NodeProto, initializer: list[onnx.TensorProto] | None = None) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in ("x", "y")]
    return helper.make_model(helper.make_graph(nodes, "tiny", values[:1], values[1:], initializer))


ADD = helper.make_node("Add", ["x", "w"], ["y"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int8, np.uint8, np.int32, np.int64, np.bool_])
@pytest.mark.parametrize("is_raw", [True, False])
def test_weights_of_each_type_are_let_in_as_large_as_they_say(dtype: type, is_raw: bool) -> None:
    values: NDArray[Any] = np.ones((3, 2), dtype)
    tensor = numpy_helper.from_array(values, "w")
    if not is_raw:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        tensor = helper.make_tensor("w", kind, values.shape, values.flatten())
    check_graph(graph(ADD, initializer=[tensor]).SerializeToString())
    tensor.dims[0] = 4
    with pytest.raises(GraphRefused, match="isn't as large as its shape"):
        check_graph(graph(ADD, initializer=[tensor]).SerializeToString())


def test_weights_inside_operations_count_too() -> None:
    constant = helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(np.ones(2, np.float32)))
    check_graph(graph(constant, ADD).SerializeToString())
    constant.attribute[0].t.data_location = TensorProto.EXTERNAL
    with pytest.raises(GraphRefused, match="data outside of the file"):
        check_graph(graph(constant, ADD).SerializeToString())


def test_strings_are_no_weights() -> None:
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.STRING, dims=[1], string_data=[b"text"])
    with pytest.raises(GraphRefused, match="which is no number"):
        check_graph(graph(ADD, initializer=[tensor]).SerializeToString())


def test_a_graph_hidden_in_an_attribute_is_found() -> None:
    node = helper.make_node("Add", ["x", "w"], ["y"], inner=graph(ADD).graph)
    with pytest.raises(GraphRefused, match="an attribute of the kind graph"):
        check_graph(graph(node).SerializeToString())


def test_parts_that_come_twice_are_both_looked_at() -> None:
    """Readers of protobuf put two of a part together, so a second graph must not go unseen."""
    model = graph(ADD, initializer=[numpy_helper.from_array(np.ones(2, np.float32), "w")])
    second = onnx.ModelProto()
    second.graph.node.append(helper.make_node("Loop", [], []))
    with pytest.raises(GraphRefused, match="the operator Loop"):
        check_graph(model.SerializeToString() + second.SerializeToString())


def test_names_from_the_file_are_safe_to_print() -> None:
    node = helper.make_node("Evil\x1b[2J\n" + "x" * 1000, ["x"], ["y"])
    with pytest.raises(GraphRefused) as refused:
        check_graph(graph(node).SerializeToString())
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200
