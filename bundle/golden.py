"""Golden samples: raw inputs and the outputs torch gave for them, recorded when a bundle is exported.

Whoever can run the bundle's graph replays them: the exporter before it writes, the service before it serves. The texts
of a classifier are recorded beside their ids, so the tokenizer is proved as well as the graph.
"""

import io
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]

REPLAY_TOLERANCE = 1e-4
"""Largest difference from torch, relative to the largest recorded output: room for another CPU's rounding, no more."""

MAX_GOLDEN_BYTES = 64 * 1024 * 1024
"""Of all recorded arrays, unpacked; those of the shipped bundles take 0.14 MB at most."""


class GoldenMismatch(ValueError):
    """The bundle doesn't give the answers it was published with."""


@dataclass(frozen=True)
class Golden:
    """Inputs and outputs by tensor name, each with the samples along the first axis; texts where the task has them."""

    inputs: Arrays
    outputs: Arrays
    texts: list[str] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """As an `.npz` without pickled objects."""
        arrays: dict[str, NDArray[Any]] = {f"input.{name}": value for name, value in self.inputs.items()}
        arrays |= {f"output.{name}": value for name, value in self.outputs.items()}
        if self.texts:
            arrays["texts"] = np.array(self.texts, dtype=np.str_)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Golden":
        """Read what `to_bytes` wrote. Raises `GoldenMismatch` if it isn't such a file."""
        try:
            _check_sizes(content)
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            texts = [str(text) for text in arrays.pop("texts", np.array([], dtype=np.str_))]
            "".join(texts).encode().decode()  # numpy makes strings of code points that there aren't
        except Exception as error:  # numpy evaluates a header and makes characters of numbers: it raises anything
            raise GoldenMismatch(f"golden samples can't be read: {error}") from error
        inputs = {name.removeprefix("input."): value for name, value in arrays.items() if name.startswith("input.")}
        outputs = {name.removeprefix("output."): value for name, value in arrays.items() if name.startswith("output.")}
        if not inputs or not outputs:
            raise GoldenMismatch("golden samples lack inputs or outputs")
        counts = {array.shape[0] if array.ndim else 0 for array in (*inputs.values(), *outputs.values())}
        if len(counts) != 1 or 0 in counts:
            raise GoldenMismatch("golden samples must be at least one, and as many in every array")
        return cls(inputs, outputs, texts)


def _check_sizes(content: bytes) -> None:
    """Raises `ValueError` if unpacking would take more than it should: a few bytes can speak of any number."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > MAX_GOLDEN_BYTES:
            raise ValueError(f"unpacked they take more than {MAX_GOLDEN_BYTES} bytes")
        for member in members:
            with archive.open(member) as file:
                major, _ = np.lib.format.read_magic(file)
                read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
                shape, _, dtype = read_header(file)
            if dtype.hasobject:
                raise ValueError(f"{member.filename} holds pickled objects")
            if not dtype.itemsize:
                raise ValueError(f"{member.filename} holds elements without a size")
            if math.prod(shape) * dtype.itemsize > member.file_size:
                raise ValueError(f"{member.filename} is shorter than its shape")


def replay(golden: Golden, run: Run, tolerance: float = REPLAY_TOLERANCE) -> float:
    """Run the samples together and each alone; the largest relative difference seen.

    Raises `GoldenMismatch` where an output is absent, shaped otherwise, or further off than `tolerance`.
    """
    num_samples = len(next(iter(golden.inputs.values())))
    worst = _difference(golden.outputs, run(golden.inputs))
    for row in range(num_samples):
        alone = run({name: value[row : row + 1] for name, value in golden.inputs.items()})
        expected = {name: value[row : row + 1] for name, value in golden.outputs.items()}
        worst = max(worst, _difference(expected, alone))
    if not worst <= tolerance:
        raise GoldenMismatch(f"golden samples differ by {worst:.2e}, more than {tolerance:.0e} of their scale")
    return worst


def _difference(expected: Arrays, actual: Arrays) -> float:
    worst = 0.0
    for name, wanted in expected.items():
        got = actual.get(name)
        if got is None or got.shape != wanted.shape:
            raise GoldenMismatch(f"output {name!r} is absent or has another shape than the golden samples")
        worst = max(worst, relative_difference(wanted, got))
    return worst


def relative_difference(wanted: NDArray[Any], got: NDArray[Any]) -> float:
    """Largest difference of two arrays of one shape, relative to the largest value wanted; infinite for a NaN."""
    scale = max(float(np.abs(wanted).max(initial=0.0)), 1e-12)
    difference = float(np.abs(got.astype(np.float64) - wanted.astype(np.float64)).max(initial=0.0)) / scale
    return difference if np.isfinite(difference) else np.inf
