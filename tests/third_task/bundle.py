"""What a bundle of the task holds: `codes:int64[batch,time]` (code points, 0 pads) -> `count:float32[batch,1]`."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bundle.tasks.task import Task, TaskSpec
from bundle.tensors import TensorSpec

MAX_CODE = 1023


class VowelsSpec(TaskSpec):
    """A text in, the number of its vowels out."""

    task: Literal["vowels"] = "vowels"
    max_characters: int = Field(ge=1)

    def inputs(self) -> list[TensorSpec]:
        return [TensorSpec(name="codes", dtype="int64", shape=["batch", "time"])]

    def outputs(self) -> list[TensorSpec]:
        return [TensorSpec(name="count", dtype="float32", shape=["batch", 1])]


VOWELS = Task(spec=VowelsSpec)


def encode(texts: Sequence[str], max_characters: int) -> NDArray[np.int64]:
    """The encoder that training and service share."""
    codes = np.zeros((len(texts), max_characters), dtype=np.int64)
    for row, text in zip(codes, texts, strict=True):
        own = [min(ord(character), MAX_CODE) for character in text[:max_characters]]
        row[: len(own)] = own
    return codes
