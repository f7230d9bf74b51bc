"""Golden samples survive the file and catch a graph that answers otherwise."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from bundle.golden import Arrays, Golden, GoldenMismatch, replay

SAMPLES = Golden(
    {"x": np.arange(6, dtype=np.float32).reshape(3, 2)},
    {"y": np.arange(6, dtype=np.float32).reshape(3, 2) * 2},
    ["é", ""],
)


def double(inputs: Arrays) -> Arrays:
    return {"y": inputs["x"] * 2}


def test_samples_are_read_back_as_written() -> None:
    read = Golden.from_bytes(SAMPLES.to_bytes())
    np.testing.assert_array_equal(read.inputs["x"], SAMPLES.inputs["x"])
    np.testing.assert_array_equal(read.outputs["y"], SAMPLES.outputs["y"])
    assert read.texts == ["é", ""]


def test_right_answers_pass() -> None:
    assert replay(SAMPLES, double) == 0.0


@pytest.mark.parametrize(
    "run",
    [
        lambda inputs: {"y": inputs["x"] * 2.001},
        lambda inputs: {"y": inputs["x"] * 2 + (0.01 if len(inputs["x"]) == 1 else 0)},
        lambda inputs: {"y": inputs["x"] * np.nan},
        lambda inputs: {"y": inputs["x"][:, :1]},
        lambda inputs: {"z": inputs["x"] * 2},
    ],
    ids=["a bit off", "off when alone", "not a number", "another shape", "another name"],
)
def test_wrong_answers_are_caught(run: object) -> None:
    with pytest.raises(GoldenMismatch):
        replay(SAMPLES, run)  # type: ignore[arg-type]


def test_pickled_objects_are_refused() -> None:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {"input.x": np.array([{"a": 1}], dtype=object), "output.y": np.zeros(1)}
    np.savez(buffer, **arrays)
    with pytest.raises(GoldenMismatch, match="can't be read"):
        Golden.from_bytes(buffer.getvalue())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"something else"])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(GoldenMismatch):
        Golden.from_bytes(content)


@pytest.mark.parametrize("header", [b"{'descr': (", b"  1\n 2", b"{'descr': '<f4'}", b"\x00", b"(" * 500, b"'''"])
def test_an_array_with_a_broken_header_is_refused(header: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("input.x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(GoldenMismatch, match="can't be read"):
        Golden.from_bytes(buffer.getvalue())


@pytest.mark.parametrize("dtype", ["<U0", "|V0"])
def test_elements_without_a_size_are_refused(dtype: str) -> None:
    """A few bytes could speak of any number of them."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (4000000000,), }}\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("texts.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(GoldenMismatch, match="without a size"):
        Golden.from_bytes(buffer.getvalue())


@pytest.mark.parametrize(
    ("dtype", "content"),
    [
        ("<U1", (0x110000).to_bytes(4, "little")),  # a code point beyond Unicode: numpy raises SystemError
        ("<U2", (0x110000).to_bytes(4, "little") * 2),
        ("<U1", b"\xff\xff\xff\x7f"),
        ("<U1", (0xD800).to_bytes(4, "little")),
        ("<M8[xs]", b"\x00" * 8),
        ("|O", b"\x00" * 8),
    ],
)
def test_texts_of_broken_bytes_are_refused(dtype: str, content: bytes) -> None:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1,), }}\n".encode()
    buffer = io.BytesIO(Golden({"x": np.zeros((1, 2))}, {"y": np.zeros((1, 2))}).to_bytes())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("texts.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content)
    with pytest.raises(GoldenMismatch, match="can't be read"):
        Golden.from_bytes(buffer.getvalue())
