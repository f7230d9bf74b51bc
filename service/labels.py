"""Probabilities of a text to what is answered about it."""

from collections.abc import Sequence

from bundle.decision import OperatingPoint, decide
from bundle.manifest import ClassifySpec
from bundle.reference import score
from service.classify_schema import ClassifyResult


class Labeller:
    """What a classifier's manifest says about its answers, ready for use.

    Args:
        spec: of the manifest.
    """

    def __init__(self, spec: ClassifySpec) -> None:
        self.labels = spec.labels
        self._spec = spec
        self._operating_point = OperatingPoint.of(spec)

    def result(self, probabilities: Sequence[float], top_k: int | None, *, truncated: bool) -> ClassifyResult:
        """The probabilities of one text, in the order of the labels, to its result; None for `top_k` is all labels."""
        labels = self.labels
        best = decide(probabilities, self._operating_point)
        order = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
        return {
            "label": labels[best],
            "score": round(probabilities[best], 6),
            "scores": {labels[index]: round(probabilities[index], 6) for index in order[:top_k]},
            "truncated": truncated,
        }

    def score(self, probabilities: Sequence[float]) -> float:
        """`bundle.reference.score`."""
        return score(probabilities, self._spec)
