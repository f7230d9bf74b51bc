"""Whether a graph may be handed to onnxruntime at all: told from its bytes alone, before anything of it is run.

onnxruntime is large, written in C++, and made for graphs one trusts: it opens files that a graph names, loads operators
from libraries, loops for ever where a graph says so. What a small sequence model needs is little, and all else is
refused: operators that aren't on the list, control flow, functions, tensors whose data lies elsewhere or isn't as large
as their shape says, sizes without bound. docs/decisions/0016-untrusted-bundles.md says why it is read this way.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

MAX_GRAPH_BYTES = 128 * 1024 * 1024
MAX_WEIGHT_BYTES = 128 * 1024 * 1024
"""Of all tensors that a graph holds, together."""
MAX_ELEMENTS = 2**27
"""Of a tensor that the graph holds, or whose shape it declares."""
MAX_NODES = 20_000
MAX_RANK = 8

_COMPUTING = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift BitwiseAnd BitwiseNot
BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Compress Concat Constant ConstantOfShape Conv ConvInteger
ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand
EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater
GreaterOrEqual GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM
LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool
Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul
QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape ReverseSequence Round ScatterElements ScatterND Selu Shape
Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh
ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Where Xor
"""
OPERATORS = frozenset(_COMPUTING.split())
"""Those of ONNX itself that compute with numbers, each time the same: no control flow, no chance, no strings, no
sequences, no pictures."""

_DOMAINS = {b"", b"ai.onnx"}
_ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8}
"""By ONNX's number of the type: floats, integers and bools; no strings."""
_ITEMS = {1: "float_data", 7: "int64_data", 11: "double_data", 12: "uint64_data", 13: "uint64_data"}
"""Where a tensor's items are that aren't raw; those of any other type are in `int32_data`."""


class GraphRefused(ValueError):
    """The graph must not be loaded; the message says why."""


def check_graph(content: bytes) -> None:
    """Raises `GraphRefused` unless a graph, the content of `model.onnx`, is made of nothing but what may be."""
    if len(content) > MAX_GRAPH_BYTES:
        raise GraphRefused(f"model.onnx is larger than {MAX_GRAPH_BYTES} bytes")
    try:
        model = _Model.FromString(content)
    except DecodeError as error:
        raise GraphRefused("model.onnx can't be loaded: it is no ONNX graph") from error
    if model.functions:
        raise GraphRefused("model.onnx defines functions of its own")
    if model.training_info:
        raise GraphRefused("model.onnx holds a training graph")
    for imported in model.opset_import:
        if imported.domain not in _DOMAINS:
            raise GraphRefused(f"model.onnx uses operators of the domain {_shown(imported.domain)}, beyond ONNX itself")
    _check_nodes(model.graph.node)
    if model.graph.sparse_initializer:
        raise GraphRefused("model.onnx holds sparse tensors")
    constants = (attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t"))
    num_bytes = sum(_tensor_bytes(tensor) for tensors in (model.graph.initializer, constants) for tensor in tensors)
    if num_bytes > MAX_WEIGHT_BYTES:
        raise GraphRefused(f"model.onnx holds tensors of {num_bytes} bytes, more than {MAX_WEIGHT_BYTES}")
    for values in (model.graph.input, model.graph.output, model.graph.value_info):
        for value in values:
            _num_elements(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _check_nodes(nodes: Any) -> None:
    if not 0 < len(nodes) <= MAX_NODES:
        raise GraphRefused(f"model.onnx has {len(nodes)} operations; 1 to {MAX_NODES} may be")
    for node in nodes:
        operator = _shown(node.op_type)
        if node.domain not in _DOMAINS:
            raise GraphRefused(f"model.onnx uses {operator} of the domain {_shown(node.domain)}, beyond ONNX itself")
        if operator not in OPERATORS:
            raise GraphRefused(
                f"model.onnx uses the operator {operator}, which is not on the list of those that may be"
            )
        for attribute in node.attribute:
            if unusual := [field.name for field, _ in attribute.ListFields() if field.name != "t"]:
                raise GraphRefused(f"model.onnx gives {operator} an attribute of the kind {unusual[0]}")


def _tensor_bytes(tensor: Any) -> int:
    """What a tensor takes in memory. Raises `GraphRefused` unless its data is here, and as large as its shape says."""
    if tensor.data_location or tensor.external_data:
        raise GraphRefused("model.onnx names data outside of the file")
    if tensor.HasField("segment"):
        raise GraphRefused("model.onnx holds a tensor in segments")
    if tensor.data_type not in _ELEMENT_BYTES:
        raise GraphRefused(f"model.onnx holds a tensor of the type {tensor.data_type}, which is no number")
    num_elements = _num_elements(tensor.dims)
    num_bytes = num_elements * _ELEMENT_BYTES[tensor.data_type]
    if tensor.HasField("raw_data"):
        agrees = len(tensor.raw_data) == num_bytes
    else:
        agrees = len(getattr(tensor, _ITEMS.get(tensor.data_type, "int32_data"))) == num_elements
    if not agrees:
        raise GraphRefused("model.onnx holds a tensor whose data isn't as large as its shape")
    return num_bytes


def _num_elements(sizes: Iterable[int]) -> int:
    """Raises `GraphRefused` beyond the bounds."""
    sizes = list(sizes)
    num_elements = math.prod(max(size, 1) for size in sizes)
    if len(sizes) > MAX_RANK or min(sizes, default=0) < 0 or num_elements > MAX_ELEMENTS:
        raise GraphRefused(f"model.onnx has a tensor of a shape beyond {MAX_RANK} axes or {MAX_ELEMENTS} elements")
    return math.prod(sizes)


def _shown(name: bytes) -> str:
    """A name from the file, safe to print."""
    return ascii(name[:60].decode("ascii", "backslashreplace"))[1:-1]


# --- the part of onnx.proto that is looked at; protobuf, which onnxruntime brings along, passes over the rest ---------

_ONE, _MANY = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL, descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
_SCALARS = {
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "uint64": descriptor_pb2.FieldDescriptorProto.TYPE_UINT64,
}
_MESSAGES: Mapping[str, Mapping[str, tuple[int, int, str]]] = {
    "Model": {
        "graph": (7, _ONE, "Graph"),
        "opset_import": (8, _MANY, "OpsetImport"),
        "training_info": (20, _MANY, "bytes"),
        "functions": (25, _MANY, "bytes"),
    },
    "OpsetImport": {"domain": (1, _ONE, "bytes")},
    "Graph": {
        "node": (1, _MANY, "Node"),
        "initializer": (5, _MANY, "Tensor"),
        "input": (11, _MANY, "Value"),
        "output": (12, _MANY, "Value"),
        "value_info": (13, _MANY, "Value"),
        "sparse_initializer": (15, _MANY, "bytes"),
    },
    "Node": {
        "op_type": (4, _ONE, "bytes"),
        "attribute": (5, _MANY, "Attribute"),
        "domain": (7, _ONE, "bytes"),
    },
    # All that an attribute can be other than a number, a string or a list of them.
    "Attribute": {
        "t": (5, _ONE, "Tensor"),
        "graph": (6, _ONE, "bytes"),
        "tensors": (10, _MANY, "bytes"),
        "graphs": (11, _MANY, "bytes"),
        "type": (14, _ONE, "bytes"),
        "types": (15, _MANY, "bytes"),
        "reference": (21, _ONE, "bytes"),
        "sparse_tensor": (22, _ONE, "bytes"),
        "sparse_tensors": (23, _MANY, "bytes"),
    },
    "Tensor": {
        "dims": (1, _MANY, "int64"),
        "data_type": (2, _ONE, "int32"),
        "segment": (3, _ONE, "bytes"),
        "float_data": (4, _MANY, "float"),
        "int32_data": (5, _MANY, "int32"),
        "int64_data": (7, _MANY, "int64"),
        "raw_data": (9, _ONE, "bytes"),
        "double_data": (10, _MANY, "double"),
        "uint64_data": (11, _MANY, "uint64"),
        "external_data": (13, _MANY, "bytes"),
        "data_location": (14, _ONE, "int32"),
    },
    "Value": {"type": (2, _ONE, "Type")},
    "Type": {"tensor_type": (1, _ONE, "TensorType")},
    "TensorType": {"shape": (2, _ONE, "Shape")},
    "Shape": {"dim": (1, _MANY, "Dim")},
    "Dim": {"dim_value": (1, _ONE, "int64")},
}


def _model_class() -> Any:
    package = "seqserve.graph"
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, label, kind) in fields.items():
            scalar = _SCALARS.get(kind)
            if scalar is None:
                message.field.add(
                    name=field,
                    number=number,
                    label=label,
                    type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
                    type_name=f".{package}.{kind}",
                )
            else:
                message.field.add(name=field, number=number, label=label, type=scalar)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.Model"))


_Model = _model_class()
