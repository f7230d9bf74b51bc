"""Long texts: windows that overlap, and how their probabilities become those of the text."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bundle.tensors import Part

_LEAST = 1e-7
"""Of a probability, in a logarithm."""


class Windows(Part):
    """What a manifest says of texts longer than the model's window; without it they are cut off."""

    overlap: int = Field(ge=0, description="tokens that a window shares with the one before it")
    combine: Literal["mean", "halfway"] = Field(
        description="mean: of the windows' logits; halfway: between it and the window most surely of positive_label"
    )

    def split(self, ids: Sequence[int], max_tokens: int, num_leading: int) -> list[Sequence[int]]:
        """Windows of at most `max_tokens` ids, each with the leading ids of the text; the last one is full."""
        if len(ids) <= max_tokens:
            return [ids]
        leading, rest = list(ids[:num_leading]), ids[num_leading:]
        size = max_tokens - num_leading
        starts = [*range(0, len(rest) - size, size - self.overlap), len(rest) - size]
        return [[*leading, *rest[start : start + size]] for start in starts]

    def join(
        self, probabilities: NDArray[np.floating], counts: Sequence[int], positive: int | None
    ) -> NDArray[np.floating]:
        """`[windows, classes]` to `[texts, classes]`; `counts` are the windows of each text, `positive` a class."""
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        joined = probabilities[starts]
        for index, (start, count) in enumerate(zip(starts.tolist(), counts, strict=True)):
            if count > 1:
                joined[index] = self._join(probabilities[start : start + count], positive)
        return joined

    def _join(self, windows: NDArray[np.floating], positive: int | None) -> NDArray[np.floating]:
        """Of one text."""
        logits = np.log(np.maximum(windows, _LEAST))
        logits -= logits.mean(axis=1, keepdims=True)
        joined = logits.mean(axis=0)
        if self.combine == "halfway" and positive is not None:
            joined = (joined + logits[np.argmax(windows[:, positive])]) / 2
        powers = np.exp(joined - joined.max())
        return np.asarray(powers / powers.sum())
