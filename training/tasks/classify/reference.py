"""The reference of a classifier: what its bundle answers on held-out texts, for drift to be measured against.

Measured with the exported graph as the service runs it, so that anyone who has bundle and texts finds the same.
"""

from collections.abc import Sequence

import numpy as np

from bundle.golden import Run
from bundle.tasks.classify.decision import OperatingPoint, decide_all
from bundle.tasks.classify.reference import Distribution, Reference, score
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TextEncoder


def measure(spec: ClassifySpec, tokenizer_json: str, texts: Sequence[str], run: Run, measured_on: str) -> Reference:
    """Run the texts, none of which the model was fitted to; `measured_on` says which they are."""
    encoder = TextEncoder.of(tokenizer_json, spec)
    encoded = encoder.encode_all(texts)
    probabilities = encoder.probabilities(encoded, lambda ids: run({"ids": ids})["probabilities"])
    answered = np.bincount(decide_all(probabilities, OperatingPoint.of(spec)), minlength=len(spec.labels))
    return Reference(
        measured_on=measured_on,
        num_rows=len(texts),
        scores=Distribution.of([score(row, spec) for row in probabilities.astype(np.float64).tolist()]),
        lengths=Distribution.of([len(row.ids) for row in encoded]),
        unknown_token_ratio=float(np.mean([encoder.unknown_token_ratio(row.ids) for row in encoded])),
        labels=dict(zip(spec.labels, (answered / len(texts)).tolist(), strict=True)),
    )
