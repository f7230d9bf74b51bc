"""What `server.py` has MLServer serve."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.serving.engine import from_environment


class Classifier(MLModel):
    """Labels and scores of a tensor of texts."""

    async def load(self) -> bool:
        """In each worker."""
        self._engine = from_environment()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One tensor in, two out."""
        results = self._engine.answer(StringCodec.decode_input(payload.inputs[0]))["results"]
        labels = StringCodec.encode_output("label", [result["label"] for result in results])
        scores = np.array([list(result["scores"].values()) for result in results], dtype=np.float32)
        return InferenceResponse(model_name=self.name, outputs=[labels, NumpyCodec.encode_output("scores", scores)])
