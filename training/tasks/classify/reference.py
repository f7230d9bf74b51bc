"""The reference of a classifier: what its bundle answers on held-out texts, for drift to be measured against.

Measured with the exported graph as the service runs it, so that anyone who has bundle and texts finds the same.
"""

from collections.abc import Sequence

import numpy as np

from bundle.golden import Run
from bundle.tasks.classify.decision import OperatingPoint, decide_all
from bundle.tasks.classify.reference import Distribution, Reference, score
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TextEncoder, pad

BATCH_ROWS = 64


def measure(spec: ClassifySpec, tokenizer_json: str, texts: Sequence[str], run: Run, measured_on: str) -> Reference:
    """Run the texts, none of which the model was fitted to; `measured_on` says which they are."""
    encoder = TextEncoder(tokenizer_json, spec.max_tokens)
    rows = [encoder.encode(text).ids for text in texts]
    batches = [rows[start : start + BATCH_ROWS] for start in range(0, len(rows), BATCH_ROWS)]
    probabilities = np.concatenate([run({"ids": pad(batch)})["probabilities"] for batch in batches])
    answered = np.bincount(decide_all(probabilities, OperatingPoint.of(spec)), minlength=len(spec.labels))
    return Reference(
        measured_on=measured_on,
        num_rows=len(texts),
        scores=Distribution.of([score(row, spec) for row in probabilities.astype(np.float64).tolist()]),
        lengths=Distribution.of([len(ids) for ids in rows]),
        unknown_token_ratio=float(np.mean([encoder.unknown_token_ratio(ids) for ids in rows])),
        labels=dict(zip(spec.labels, (answered / len(texts)).tolist(), strict=True)),
    )
