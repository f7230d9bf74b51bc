"""One ONNX session: arrays in, arrays out. The only file of the service that imports onnxruntime."""

import os

import numpy as np

from bundle.golden import Arrays
from bundle.tensors import TensorSpec

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read on import; since 1.29 it reports to its makers otherwise

import onnxruntime as ort


class ModelUnusable(ValueError):
    """The graph can't be loaded, or doesn't have the inputs and outputs its manifest names."""


class InferenceFailed(RuntimeError):
    """onnxruntime failed on arrays that fit the manifest: a defect of the service or of the bundle."""


class Runtime:
    """One graph in memory, safe to call from several threads. Raises `ModelUnusable`.

    With `rows_are_alike` all rows have one length, so that memory can be planned by their number.
    """

    def __init__(
        self, model: bytes, inputs: list[TensorSpec], outputs: list[TensorSpec], *, rows_are_alike: bool = False
    ) -> None:
        options = ort.SessionOptions()
        # One thread a session, no spinning: a small model gains nothing from more, and idle threads burn half a CPU. No
        # arena: with ever new shapes it grows without end, and so do plans of what memory a shape takes.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.load_model_format", "ONNX")  # not its own, which isn't checked
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = rows_are_alike
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            raise ModelUnusable(f"model.onnx can't be loaded: {error}") from error
        self._session._model_bytes = None  # kept for another provider only, which there isn't; as large as the graph
        self._outputs = [output.name for output in outputs]
        for kind, specs, nodes in (
            ("inputs", inputs, self._session.get_inputs()),
            ("outputs", outputs, self._session.get_outputs()),
        ):
            found = {node.name: (node.type, _fixed_sizes(node.shape)) for node in nodes}
            wanted = {spec.name: (f"tensor({_ONNX_TYPES[spec.dtype]})", _fixed_sizes(spec.shape)) for spec in specs}
            if found != wanted:
                raise ModelUnusable(f"the {kind} of model.onnx are not those of the manifest")

    def run(self, arrays: Arrays) -> Arrays:
        """Compute one batch; every array has the batch as its first axis. Raises `InferenceFailed`."""
        try:
            computed: list[np.ndarray] = self._session.run(self._outputs, dict(arrays))
        except Exception as error:
            raise InferenceFailed(str(error)) from error
        return dict(zip(self._outputs, computed, strict=True))


def _fixed_sizes(shape: list[int | str]) -> list[int | None]:
    """Sizes by axis, None where one is dynamic."""
    return [size if isinstance(size, int) else None for size in shape]


_ONNX_TYPES = {"int64": "int64", "float32": "float"}
