"""What `server.py` has Triton's Python backend run, in a process a core."""

import os
import sys
from typing import Any

# The embedded interpreter doesn't read PYTHONPATH, and would take numpy from elsewhere.
sys.path[:0] = os.environ["BENCH_PATH"].split(os.pathsep)

import numpy as np  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402

from benchmarks.serving.engine import from_environment  # noqa: E402


class TritonPythonModel:
    """Labels and scores of a tensor of texts; the name is Triton's."""

    def initialize(self, args: dict[str, str]) -> None:  # noqa: ARG002
        """In each process."""
        self._engine = from_environment()

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response a request, all of one batch."""
        tensors = [triton.get_input_tensor_by_name(request, "text").as_numpy() for request in requests]
        results = self._engine.answer([text.decode() for tensor in tensors for text in tensor.ravel()])["results"]
        labels = np.array([[result["label"].encode()] for result in results], dtype=np.object_)
        scores = np.array([list(result["scores"].values()) for result in results], dtype=np.float32)
        responses, start = [], 0
        for tensor in tensors:
            own = slice(start, start + len(tensor))
            outputs = [triton.Tensor("label", labels[own]), triton.Tensor("scores", scores[own])]
            responses.append(triton.InferenceResponse(outputs))
            start += len(tensor)
        return responses
