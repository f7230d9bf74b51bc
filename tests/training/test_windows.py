"""Both ways of making windows, against the examples of the lecture and of TensorFlow's and Keras's documentation."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from training.data.window_stream import BinaryFile, Values, stream
from training.data.windows import (
    TargetedWindows,
    WindowStream,
    shuffled_batches,
    steps_after_convolution,
    window,
    window_matrix,
)

# --- the window method -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "arguments", "complete", "rest"),
    [
        (7, (3, 2, 1), "012 234 456", "6"),
        (7, (3, 1, 2), "024 135 246", "35 46 5 6"),
        (7, (3,), "012 345", "6"),  # the shift is the length by default
        (6, (4, 1), "0123 1234 2345", "345 45 5"),
        (5, (3, 1, 2), "024", "13 24 3 4"),
        (2, (3,), "", "01"),
    ],
)
def test_windows_and_the_incomplete_ones_at_the_end(count: int, arguments: Any, complete: str, rest: str) -> None:
    def windows(**options: Any) -> list[str]:
        return ["".join(map(str, found.tolist())) for found in window(np.arange(count), *arguments, **options)]

    assert windows() == [*complete.split(), *rest.split()]
    assert windows(drop_remainder=True) == complete.split()


@pytest.mark.parametrize("arguments", [(0, 1, 1), (3, 0, 1), (3, 1, 0), (-1, 1, 1)])
def test_impossible_windows_are_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        list(window(np.arange(5), *arguments))
    with pytest.raises(ValueError, match="at least 1"):
        window_matrix(np.arange(5), *arguments)
    with pytest.raises(ValueError, match="at least 1"):
        next(stream([np.arange(9)], *arguments))


def test_windows_share_memory_with_the_series() -> None:
    series = np.arange(10_000_000, dtype=np.float32)
    assert all(np.shares_memory(series, found) for found in window(series, 56, 1_000_000, 2))
    matrix = window_matrix(series, 56, 1)
    assert matrix.shape == (9_999_945, 56)
    assert np.shares_memory(series, matrix)
    assert not matrix.flags.writeable


@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(1, 3))
def test_matrix_is_the_stack_of_complete_windows(n: int, length: int, shift: int, stride: int, columns: int) -> None:
    series = np.arange(n * columns).reshape(n, columns)
    stacked = list(window(series, length, shift, stride, drop_remainder=True))
    matrix = window_matrix(series, length, shift, stride)
    assert matrix.shape == (len(stacked), length, columns)
    for row, found in zip(matrix, stacked, strict=True):
        np.testing.assert_array_equal(row, found)


def test_nested_windows_make_sequence_to_sequence_targets() -> None:
    ahead, length = 3, 4
    nested = window_matrix(window_matrix(np.arange(10), ahead + 1, 1), length, 1)
    inputs, targets = nested[:, :, 0], nested[:, :, 1:]
    assert inputs.tolist() == [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6]]
    assert targets[0].tolist() == [[1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]


def test_shuffled_batches_hold_every_window_once() -> None:
    windows = window_matrix(np.arange(1000.0), 56, 1)
    batches = list(shuffled_batches(windows, 256, np.random.default_rng(0)))
    assert [tuple(batch.shape) for batch in batches] == [(256, 56)] * 3 + [(177, 56)]
    mixed = torch.cat(batches)
    assert not torch.equal(mixed[:, 0], mixed[:, 0].sort().values)
    np.testing.assert_array_equal(mixed[mixed[:, 0].argsort()], windows)


def test_order_of_shuffled_batches_comes_from_the_generator() -> None:
    windows = window_matrix(np.arange(100), 5, 1)
    first, again, other = (next(shuffled_batches(windows, 32, np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_changing_a_batch_leaves_the_series_alone() -> None:
    series = np.arange(100.0)
    for batch in shuffled_batches(window_matrix(series, 5, 1), 32, np.random.default_rng(0)):
        batch.zero_()
    assert series.tolist() == list(range(100))


def test_batches_of_no_window_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        next(shuffled_batches(window_matrix(np.arange(9), 3, 1), 0, np.random.default_rng(0)))


def test_target_is_the_value_after_the_window() -> None:
    series = np.arange(6)
    found = TargetedWindows(series, series[3:], 3)
    pairs = [(inputs.tolist(), int(target)) for inputs, target in found]
    assert pairs == [([0, 1, 2], 3), ([1, 2, 3], 4), ([2, 3, 4], 5)]


def test_documented_example_of_stride_and_rate() -> None:
    found: Any = TargetedWindows(np.arange(99), None, 10, sequence_stride=3, sampling_rate=2)
    for place, first in ((0, 0), (1, 3), (len(found) - 1, 78)):
        assert found[place].tolist() == list(range(first, first + 20, 2))


def test_start_and_end_index_limit_the_part_read() -> None:
    series = np.arange(20)
    found = TargetedWindows(series, series[3:], 3, start_index=5, end_index=12)
    pairs = [(inputs.tolist(), int(target)) for inputs, target in found]
    assert pairs[0] == ([5, 6, 7], 8)
    assert pairs[-1] == ([9, 10, 11], 12)


def test_number_of_complete_windows() -> None:
    for num_values, num_windows in ((1096, 1040), (151, 95)):  # the lecture's split
        assert len(TargetedWindows(np.zeros(num_values), np.zeros(num_values - 56), 56)) == num_windows
    lectures = {(1096, 56): 1027, (151, 56): 82, (1096, 112): 971, (151, 112): 26}
    for (num_values, length), num_windows in lectures.items():
        assert len(window_matrix(np.zeros(num_values), length + 14, 1)) == num_windows
    for num_values, rate, num_windows in ((7, 1, 5), (7, 3, 1), (2, 1, 0)):
        assert len(TargetedWindows(np.arange(num_values), None, 3, sampling_rate=rate)) == num_windows
    assert window_matrix(np.arange(2), 3).shape == (0, 3)


def test_outputs_of_a_strided_convolution_line_up_with_their_targets() -> None:
    steps = steps_after_convolution(kernel_size=4, stride=2)
    assert steps == slice(3, None, 2)
    outputs = torch.nn.Conv1d(1, 1, 4, stride=2)(torch.zeros(1, 1, 112))
    assert outputs.shape[-1] == len(range(112)[steps]) == 55


def test_batches_in_a_data_loader() -> None:
    series = np.arange(100.0)
    loader = DataLoader(TargetedWindows(series, series[5:], 5), batch_size=32)
    shapes = [tuple(inputs.shape) for inputs, _ in loader]
    assert shapes == [(32, 5), (32, 5), (31, 5)]


# --- the flat_map method ---------------------------------------------------------------------------------------------


def chunks(series: NDArray[np.int64], sizes: list[int]) -> Iterator[Values]:
    """The series in pieces of these sizes, over and over."""
    place = 0
    for size in itertools.cycle(sizes):
        if place >= len(series):
            return
        yield series[place : place + size]
        place += size


@given(
    st.lists(st.integers(0, 30), max_size=4),
    st.lists(st.integers(1, 12), min_size=1, max_size=4),
    st.integers(1, 7),
    st.integers(1, 12),
    st.integers(1, 3),
    st.booleans(),
)
def test_stream_gives_the_windows_of_each_source(
    lengths: list[int], sizes: list[int], length: int, shift: int, stride: int, drop: bool
) -> None:
    series = [np.arange(n) + 1000 * index for index, n in enumerate(lengths)]
    sources = [lambda one=one: chunks(one, sizes) for one in series]
    stream = WindowStream(sources, length, shift, stride, drop)
    expected = [found.tolist() for one in series for found in window(one, length, shift, stride, drop)]
    assert [found.tolist() for found in stream] == expected


class Chunks:
    """A source that can travel to a worker process."""

    def __init__(self, series: NDArray[np.int64]) -> None:
        self.series = series

    def __call__(self) -> Iterator[Values]:
        return chunks(self.series, [7])


def stream_of(num_sources: int, shuffle_buffer: int = 1, seed: int = 0) -> WindowStream:
    series = [np.arange(50) + 1000 * index for index in range(num_sources)]
    return WindowStream([Chunks(one) for one in series], 5, 1, shuffle_buffer=shuffle_buffer, seed=seed)


def test_shuffling_loses_and_doubles_nothing() -> None:
    plain = [found.tolist() for found in stream_of(3)]
    mixed = [found.tolist() for found in stream_of(3, shuffle_buffer=20)]
    assert mixed != plain
    assert sorted(mixed) == plain


def test_same_seed_same_order_and_another_epoch_another() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        stream = stream_of(2, 20, seed)
        stream.set_epoch(epoch)
        return [found.tolist() for found in stream]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(2, 0)
    assert order(1, 0) != order(1, 1)


def test_shuffle_looks_no_further_than_its_buffer() -> None:
    starts = [int(found[0]) for found in stream_of(1, shuffle_buffer=4)]
    assert all(start <= place + 3 for place, start in enumerate(starts))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("num_workers", [0, 1, 2, 3, 5])
def test_workers_share_the_sources(num_workers: int) -> None:
    loader = DataLoader(
        stream_of(4), batch_size=None, num_workers=num_workers, multiprocessing_context="fork" if num_workers else None
    )
    assert sorted(found.tolist() for found in loader) == [found.tolist() for found in stream_of(4)]


def test_stream_never_holds_more_than_a_window_and_a_chunk() -> None:
    given_out = 0

    def endless() -> Iterator[Values]:
        nonlocal given_out
        while True:
            given_out += 100
            yield np.arange(given_out - 100, given_out)

    windows = iter(WindowStream([endless], 56, 1))
    for start in range(1000):
        assert int(next(windows)[0]) == start
        assert given_out <= start + 56 + 100


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk_length", [1, 7, 50, 1000])
def test_windows_of_a_file_are_those_of_its_numbers(chunk_length: int, tmp_path: Path) -> None:
    series = np.arange(50, dtype=np.float32)
    series.tofile(tmp_path / "series.bin")
    file = BinaryFile(tmp_path / "series.bin", "float32", chunk_length)
    assert [len(chunk) for chunk in file()] == [min(chunk_length, 50 - at) for at in range(0, 50, chunk_length)]
    found = list(WindowStream([file, file], 5, 3))
    assert found[0].dtype == torch.float32
    assert torch.equal(torch.stack(found), torch.from_numpy(np.array(2 * [*window(series, 5, 3, 1, True)])))


def test_file_that_ends_within_a_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torn.bin").write_bytes(bytes(41))
    with pytest.raises(ValueError, match=r"torn.bin has 41 bytes, no multiple of the 4 of a float32"):
        next(BinaryFile(tmp_path / "torn.bin")())


@pytest.mark.parametrize(
    ("module", "library"), [("window_stream", "torch"), ("window_stream", "pandas"), ("windows", "pandas")]
)
def test_streaming_imports_nothing_large(module: str, library: str) -> None:
    """It would take most of the memory that a stream is there to save."""
    command = f"import sys, training.data.{module}; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command]).returncode == 0
