"""Inputs and outputs of a graph, as a manifest describes them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a manifest: immutable, strictly typed, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TensorSpec(Part):
    """One input or output of the graph. A dimension is a length, or a name where it is dynamic."""

    name: str
    dtype: Literal["int64", "float32"]
    shape: list[int | str]
