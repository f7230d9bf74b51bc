"""Weights of a published graph, back into torch: what `training.export` wrote, read.

A graph holds parameters under their own names. The first graphs held some as ONNX lays them out, nameless: the weights
of a linear layer transposed, those of a recurrent one put together, the gates in another order. There the names of the
nodes that read them tell whose they are.
"""

from collections.abc import Iterator

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

GATES = {"GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1), "RNN": (0,)}
"""Where torch's gates, in torch's order, stand in ONNX's."""


class WeightsDiffer(ValueError):
    """The graph doesn't hold the weights of this network."""


def load_weights(network: nn.Module, model: bytes) -> bool:
    """Fill a network's parameters and, as far as the graph holds them, its buffers; whether some had to be rounded.

    Raises `WeightsDiffer` if a parameter isn't found in its shape; the network is then as it was.
    """
    found = dict(_weights(onnx.load_from_string(model).graph))
    state = network.state_dict()
    for name, _ in network.named_parameters():
        if name not in found:
            raise WeightsDiffer(f"the graph has no {name}")
    taken = {}
    for name, weights in found.items():
        if name not in state:
            continue
        if weights.squeeze().shape != state[name].squeeze().shape:
            shapes = f"{list(weights.shape)} in the graph, {list(state[name].shape)} in the network"
            raise WeightsDiffer(f"{name} is {shapes}")
        taken[name] = weights.reshape(state[name].shape).to(state[name].dtype)
    network.load_state_dict(state | taken)
    return any(not torch.equal(weights.flatten(), found[name].flatten()) for name, weights in taken.items())


def _weights(graph: onnx.GraphProto) -> Iterator[tuple[str, Tensor]]:
    """By their names in torch."""
    arrays = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in arrays:  # equal arrays are kept once
            arrays[node.output[0]] = arrays[node.input[0]]
    for name, array in arrays.items():
        yield name, torch.from_numpy(array.copy())
    for node in graph.node:
        layer = node.name.strip("/").rpartition("/")[0].replace("/", ".")  # /forecaster/body/layers.0/forwards/GRU
        if node.op_type in GATES and node.input[1] in arrays:
            *weights, biases = (arrays[name][0] for name in node.input[1:4])
            for kind, array in zip(("ih", "hh"), weights, strict=True):
                yield f"{layer}.weight_{kind}_l0", _gates(array, node.op_type)
            for kind, array in zip(("ih", "hh"), np.split(biases, 2), strict=True):
                yield f"{layer}.bias_{kind}_l0", _gates(array, node.op_type)
        elif node.op_type == "MatMul" and node.input[1] in arrays:
            yield f"{layer}.weight", torch.from_numpy(arrays[node.input[1]].T.copy())


def _gates(array: NDArray[np.float32], cell: str) -> Tensor:
    """A gate after the other, in torch's order."""
    gates = np.split(array, len(GATES[cell]))
    return torch.from_numpy(np.concatenate([gates[place] for place in GATES[cell]]))
