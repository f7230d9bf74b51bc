"""A traced graph as it is best run: what never changes computed, what does nothing left out, names short.

onnxruntime would do the first two whenever it loads the graph, and keep in memory some of what it leaves out.

Parameters are inputs meanwhile, so that nothing is computed from them: they keep their names and shapes, by which
`training.weights` knows them. All other names become numbers, since a session holds several copies of each.
"""

from collections.abc import Callable
from typing import Any

import onnx


def folded(document: onnx.ModelProto, optimise: Callable[[onnx.ModelProto], onnx.ModelProto]) -> onnx.ModelProto:
    """The same computation; parameters, inputs and outputs keep their names.

    Args:
        document: the graph; as it was, afterwards.
        optimise: to operators of ONNX itself.
    """
    inputs = {value.name for value in document.graph.input}
    unknown = onnx.ModelProto()
    unknown.CopyFrom(document)
    _part_equals(unknown.graph)
    parameters = {parameter.name for parameter in unknown.graph.initializer}
    for parameter in unknown.graph.initializer:
        unknown.graph.input.append(
            onnx.helper.make_tensor_value_info(parameter.name, parameter.data_type, parameter.dims)
        )
    smaller = optimise(unknown)
    _keep(smaller.graph.input, lambda value: value.name in inputs)
    _keep(smaller.opset_import, lambda imported: imported.domain == "")  # onnxruntime declares its own as well
    _shorten_names(smaller.graph, parameters)
    return smaller


def _part_equals(graph: onnx.GraphProto) -> None:
    """Give equal parameters, which the exporter keeps once, each an array of its own."""
    parameters = {parameter.name: parameter for parameter in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Identity" and node.input[0] in parameters:
            own = graph.initializer.add()
            own.CopyFrom(parameters[node.input[0]])
            own.name = node.output[0]
            graph.node.remove(node)


def _keep(items: Any, wanted: Callable[[Any], bool]) -> None:
    kept = [item for item in items if wanted(item)]
    del items[:]
    items.extend(kept)


def _shorten_names(graph: onnx.GraphProto, parameters: set[str]) -> None:
    kept = {*parameters, *(value.name for value in (*graph.input, *graph.output)), ""}  # "": an input left out
    numbers: dict[str, str] = {}

    def short(name: str) -> str:
        return name if name in kept else numbers.setdefault(name, str(len(numbers)))

    del graph.value_info[:]
    for constant in graph.initializer:
        constant.name = short(constant.name)
    for node in graph.node:
        node.name = ""
        for names in (node.input, node.output):
            names[:] = [short(name) for name in names]
