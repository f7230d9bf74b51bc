"""What a task is to a bundle: the part of the manifest that describes it, and the files it adds."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bundle.golden import Golden
from bundle.tensors import Part, TensorSpec


class TaskSpec(Part):
    """`spec` of a manifest. A subclass adds what its task needs; `task` is a literal, the key in `TASKS`."""

    task: str

    @abstractmethod
    def inputs(self) -> list[TensorSpec]:
        """Inputs of the graph, in order."""

    @abstractmethod
    def outputs(self) -> list[TensorSpec]:
        """Outputs of the graph."""


def nothing_more(_spec: Any, _files: Mapping[str, bytes], _golden: Golden) -> None:
    """The self-test of a bundle that holds nothing to test beside its graph."""


@dataclass(frozen=True)
class Task:
    """One entry of `TASKS`."""

    spec: type[TaskSpec]
    required_files: frozenset[str] = frozenset()
    """Files of every bundle of this task, beside the graph and the golden samples."""
    optional_files: Mapping[str, Callable[[Any, bytes], object]] = field(default_factory=dict)
    """Files that only bundles of this task may hold: name -> reader of (spec, content), which raises `ValueError`."""
    self_test: Callable[[Any, Mapping[str, bytes], Golden], Any] = nothing_more
    """Tests what a bundle holds beside its graph: spec, files, golden samples. What it gives, a tokenizer for instance,
    is what the task's engine is made of; raises `ValueError`."""
    rows_are_alike: bool = False
    """Whether all rows have one length, so that onnxruntime can plan memory by their number."""
