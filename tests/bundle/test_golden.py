"""Golden samples survive the file and catch a graph that answers otherwise."""

import io
import zipfile

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


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"something else"])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(GoldenMismatch):
        Golden.from_bytes(content)


def with_member(name: str, header: bytes, content: bytes = b"") -> bytes:
    """Golden samples, and an array of their own file format."""
    buffer = io.BytesIO(SAMPLES.to_bytes())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(name, b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content)
    return buffer.getvalue()


@pytest.mark.parametrize("header", [b"{'descr': (", b"  1\n 2", b"{'descr': '<f4'}", b"\x00", b"(" * 500, b"'''"])
def test_an_array_with_a_broken_header_is_refused(header: bytes) -> None:
    with pytest.raises(GoldenMismatch, match="can't be read"):
        Golden.from_bytes(with_member("input.z.npy", header))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("dtype", "num_rows", "content", "message"),
    [
        ("<U0", 4_000_000_000, b"", "without a size"),  # a few bytes could speak of any number of elements
        ("|V0", 4_000_000_000, b"", "without a size"),
        ("<U1", 1, (0x110000).to_bytes(4, "little"), "can't be read"),  # beyond Unicode: numpy raises SystemError
        ("<U2", 1, (0x110000).to_bytes(4, "little") * 2, "can't be read"),
        ("<U1", 1, b"\xff\xff\xff\x7f", "can't be read"),
        ("<U1", 1, (0xD800).to_bytes(4, "little"), "can't be read"),
        ("<M8[xs]", 1, b"\x00" * 8, "can't be read"),
        ("|O", 1, b"\x00" * 8, "can't be read"),
    ],
)
def test_texts_of_broken_bytes_are_refused(dtype: str, num_rows: int, content: bytes, message: str) -> None:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({num_rows},), }}\n".encode()
    with pytest.raises(GoldenMismatch, match=message):
        Golden.from_bytes(with_member("texts.npy", header, content))
