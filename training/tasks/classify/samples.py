"""Random inputs of a text classifier's graph, to trace an export and to check it with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.golden import Arrays
from bundle.tasks.classify.text import PAD_ID
from training.tasks.classify.tokenizer import SPECIAL_TOKENS


@dataclass(frozen=True)
class TextSamples:
    """Rows of random ids of random length, to check an export with."""

    vocabulary_size: int

    def draw(self, rng: np.random.Generator, batch: int, time: int) -> dict[str, NDArray[np.generic]]:
        """The first row fills the whole width, the others are shorter and padded."""
        ids = rng.integers(len(SPECIAL_TOKENS), self.vocabulary_size, size=(batch, time))
        lengths = np.concatenate([[time], rng.integers(1, time + 1, size=batch - 1)])
        ids[np.arange(time) >= lengths[:, None]] = PAD_ID
        return {"ids": ids.astype(np.int64)}

    def pad(self, inputs: Arrays, extra: int) -> dict[str, NDArray[np.generic]]:
        """Padded on the right."""
        return {"ids": np.pad(inputs["ids"], ((0, 0), (0, extra)), constant_values=PAD_ID)}
