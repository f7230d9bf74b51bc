"""From torch to ONNX: an export that equals its original, or none.

The graph is traced in a fresh process (torch 2.13's newer exporter freezes the time axis of every recurrent net after
the first of a process, and can't export packed sequences at all; the older one, `dynamo=False`, keeps batch and time
dynamic). It is then checked in onnxruntime against torch at lengths and batch sizes other than the example's, and
against itself for padding and batch neighbours. Only then are the golden samples recorded.
"""

import io
import os
import tempfile
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from bundle.golden import Arrays, Golden, Run, relative_difference
from bundle.graph import check_graph
from bundle.tensors import TensorSpec
from training.folding import folded
from training.tasks import TrainedModel

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read on import; since 1.29 it reports to its makers unless told not to

import onnxruntime as ort

OPSET = 17
EXPORT_TOLERANCE = 1e-5
"""Largest difference allowed from torch, from the unpadded row and from the row alone, relative to the largest output:
of a probability 1e-5, of a forecast 1e-5 of the series' scale."""
MAX_MODEL_BYTES = 8 * 1024 * 1024
EXAMPLE = (2, 20)
"""Batch and time that the graph is traced at."""
CHECKED = tuple((batch, time) for batch in (1, 3, 64) for time in (7, 33, 150))
"""Batch and time that the graph is checked at: none of them the example's."""


class ExportDiffers(RuntimeError):
    """The exported graph doesn't equal its original, or onnxruntime fails where it doesn't; nothing is written."""


@dataclass(frozen=True)
class Exported:
    """A graph with its proof."""

    model: bytes
    golden: bytes
    opset: int
    ir_version: int
    largest_difference: float


def export(trained: TrainedModel) -> Exported:
    """Trace, check and record.

    Raises `ExportDiffers`, `onnx.checker.ValidationError` for a malformed graph, or `bundle.graph.GraphRefused` for one
    that holds what a service would refuse.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as fresh:
        model = fresh.submit(trace, trained).result()
    document = onnx.load_from_string(model)
    onnx.checker.check_model(document, full_check=True)
    _check_dynamic(document, trained)
    check_graph(model)
    if len(model) > MAX_MODEL_BYTES:
        raise ExportDiffers(f"the graph has {len(model)} bytes, over the limit of {MAX_MODEL_BYTES}")
    run = session(model)
    largest = check(trained, run)
    inputs = dict(trained.golden)
    golden = Golden(inputs, _in_torch(trained, inputs), trained.golden_texts)
    largest = max(largest, _difference(golden.outputs, run(inputs), "the golden samples"))
    return Exported(model, golden.to_bytes(), OPSET, document.ir_version, largest)


def trace(trained: TrainedModel) -> bytes:
    """ONNX of the graph. For a process of its own; call `export` instead."""
    example = trained.samples.draw(np.random.default_rng(0), *EXAMPLE)
    names = [spec.name for spec in trained.inputs]
    dynamic = {
        spec.name: {axis: size for axis, size in enumerate(spec.shape) if isinstance(size, str)}
        for spec in [*trained.inputs, *trained.outputs]
    }
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its own removal; why it is used stands above
        torch.onnx.export(
            trained.graph.eval(),
            tuple(torch.from_numpy(example[name]) for name in names),
            buffer,  # type: ignore[arg-type]  # takes a file too, as documented
            input_names=names,
            output_names=[spec.name for spec in trained.outputs],
            dynamic_axes=dynamic,
            opset_version=OPSET,
            dynamo=False,
            external_data=False,
            do_constant_folding=False,  # by `folded`, which leaves parameters as they are
        )
    document = onnx.load_from_string(buffer.getvalue())
    _state_sizes(document, trained.outputs)
    model: bytes = folded(document, optimised).SerializeToString()
    return model


def _state_sizes(document: onnx.ModelProto, outputs: Sequence[TensorSpec]) -> None:
    """Write the fixed sizes of the outputs into the graph, where the exporter couldn't infer them."""
    specs = {spec.name: spec.shape for spec in outputs}
    for value in document.graph.output:
        for size, dimension in zip(specs[value.name], value.type.tensor_type.shape.dim, strict=True):
            if isinstance(size, int):
                dimension.dim_value = size


def optimised(document: onnx.ModelProto) -> onnx.ModelProto:
    """What onnxruntime calls basic: standard operators again, the same on every machine."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        options.optimized_model_filepath = str(path)
        _load(document.SerializeToString(), options)
        return onnx.load(path)


def session(model: bytes) -> Run:
    """The graph in onnxruntime, as the service runs it: one thread. Raises `ExportDiffers` where it can't be run."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    loaded = _load(model, options)
    names = [output.name for output in loaded.get_outputs()]

    def run(inputs: Arrays) -> Arrays:
        try:
            return dict(zip(names, loaded.run(names, dict(inputs)), strict=True))
        except Exception as error:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise ExportDiffers(f"onnxruntime fails on {shapes}: {error}") from error

    return run


def _load(model: bytes, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise ExportDiffers(f"onnxruntime can't load the graph: {error}") from error


def check(trained: TrainedModel, run: Run) -> float:
    """Compare with torch, with padded rows and with rows alone; the largest relative difference seen."""
    rng = np.random.default_rng(1)
    largest = 0.0
    for batch, time in CHECKED:
        inputs = trained.samples.draw(rng, batch, time)
        expected = _in_torch(trained, inputs)
        largest = max(largest, _difference(expected, run(inputs), f"torch, batch {batch}, time {time}"))
        padded = trained.samples.pad(inputs, 512 - time)
        largest = max(largest, _difference(expected, run(padded), f"the same rows padded, batch {batch}, time {time}"))
        row = {name: value[-1:] for name, value in inputs.items()}
        alone = {name: value[-1:] for name, value in expected.items()}
        largest = max(largest, _difference(alone, run(row), f"a row alone, batch {batch}, time {time}"))
    return largest


def _check_dynamic(document: onnx.ModelProto, trained: TrainedModel) -> None:
    graph = document.graph
    for specs, values in ((trained.inputs, graph.input), (trained.outputs, graph.output)):
        shapes = {
            value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values
        }
        for spec in specs:
            shape = shapes.get(spec.name)
            if shape is None:
                raise ExportDiffers(f"the exporter dropped {spec.name!r}: the graph doesn't use it")
            frozen = [
                wanted
                for wanted, got in zip(spec.shape, shape, strict=True)
                if isinstance(wanted, str) and got != wanted
            ]
            if frozen:
                raise ExportDiffers(f"{', '.join(frozen)} of {spec.name!r} was frozen: {shape}")


@torch.no_grad()
def _in_torch(trained: TrainedModel, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
    graph: nn.Module = trained.graph.eval()
    output = graph(*(torch.from_numpy(np.asarray(inputs[spec.name])) for spec in trained.inputs))
    return {trained.outputs[0].name: output.numpy()}


def _difference(expected: Arrays, actual: Arrays, against: str) -> float:
    largest = 0.0
    for name, wanted in expected.items():
        if actual[name].shape != wanted.shape:
            raise ExportDiffers(f"{name} has the shape {actual[name].shape}, not {wanted.shape} as in {against}")
        difference = relative_difference(wanted, actual[name])
        if difference > EXPORT_TOLERANCE:
            raise ExportDiffers(
                f"{name} differs by {difference:.1e} of its scale from {against}; {EXPORT_TOLERANCE:.0e} is allowed"
            )
        largest = max(largest, difference)
    return largest
