"""Windows over series: the two methods of the lecture, exact in count and alignment.

The *window method* holds the series in memory and hands out views of it, copying nothing: `window` cuts as
`tf.data.Dataset.window` does, `window_matrix` is its stack of complete windows, and `TargetedWindows` pairs windows
with targets as Keras's `timeseries_dataset_from_array` does. `shuffled_batches` is an epoch of a matrix's windows.

The *flat_map method* (`WindowStream`) turns a stream of values into a stream of windows, as
`ds.window(n).flat_map(lambda w: w.batch(n))` does: sources of any length, one after another, never more than a window
and one chunk of a source in memory, a shuffle buffer, and each source read by one worker only.

    length      points in a window                     shift   distance between the starts of two windows
    stride      distance between two points of one     drop_remainder   leave out windows cut short by the end

Sources: TensorFlow and Keras API documentation of the two functions; A. Géron, "Hands-On Machine Learning", 3rd
edition, chapter 15, whose examples are the tests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from training.data.window_stream import Source, Values, check_window, shuffled, stream

# --- the window method -----------------------------------------------------------------------------------------------


def window(
    series: Values, length: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False
) -> Iterator[Values]:
    """Cut windows along the first axis; each is a view of `series`.

    The k-th window starts at k·shift (`shift` defaults to `length`) and takes every `stride`-th point. A window cut
    short by the end of the series comes out short, or not at all with `drop_remainder`.

    Raises `ValueError` for a length, shift or stride below 1.
    """
    shift = length if shift is None else shift
    check_window(length, shift, stride)
    span = (length - 1) * stride + 1
    end = len(series) - span + 1 if drop_remainder else len(series)
    for start in range(0, max(end, 0), shift):
        yield series[start : start + span : stride]


def window_matrix(series: Values, length: int, shift: int | None = None, stride: int = 1) -> Values:
    """All complete windows at once: a read-only view `[windows, length, …]` that shares memory with `series`.

    The stack of what `window(…, drop_remainder=True)` yields; no window where the series is too short for one.
    """
    shift = length if shift is None else shift
    check_window(length, shift, stride)
    span = (length - 1) * stride + 1
    if len(series) < span:
        return np.empty((0, length, *series.shape[1:]), dtype=series.dtype)
    windows = sliding_window_view(series, span, axis=0)[::shift, ..., ::stride]
    return np.moveaxis(windows, -1, 1)


def shuffled_batches(windows: Values, batch_size: int, rng: np.random.Generator) -> Iterator[torch.Tensor]:
    """An epoch: each window once, in random order, in tensors `[batch_size, length, …]`, the last maybe smaller.

    For the windows of `window_matrix`, of which only those of a batch are copied, all at once. Inputs and targets are
    cut from one longer window: `batch[:, :56], batch[:, 56:]`. Raises `ValueError` for a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    order = rng.permutation(len(windows))
    for start in range(0, len(order), batch_size):
        yield torch.from_numpy(windows[order[start : start + batch_size]])


@dataclass(frozen=True)
class TargetedWindows(Dataset[Any]):
    """Windows of a series, each with its target; a map-style data set for `torch.utils.data.DataLoader`.

    `targets[i]` belongs to the window that *starts* at i, so "the value after the window" is
    `targets=series[sequence_length:]`, and the number of windows is cut to the number of targets. Windows start every
    `sequence_stride` points and take every `sampling_rate`-th; a last window that doesn't fit is left out. Without
    targets, items are windows alone. `start_index` and `end_index` limit the part of the series that windows may touch.

    Where `sampling_rate` > 1 this keeps every window that fits, `(sequence_length - 1) · sampling_rate + 1` points, as
    Keras documents; older Keras releases lost the last few.

    Raises `ValueError` for a length, stride or rate below 1, or a part outside the series.
    """

    series: Values
    targets: Values | None
    sequence_length: int
    sequence_stride: int = 1
    sampling_rate: int = 1
    start_index: int = 0
    end_index: int | None = None

    def __post_init__(self) -> None:
        check_window(self.sequence_length, self.sequence_stride, self.sampling_rate)
        if not 0 <= self.start_index <= self._end <= len(self.series):
            raise ValueError(f"start_index {self.start_index} and end_index {self._end} must part the series in order")

    @property
    def _end(self) -> int:
        return len(self.series) if self.end_index is None else self.end_index

    @property
    def _span(self) -> int:
        return (self.sequence_length - 1) * self.sampling_rate + 1

    def __len__(self) -> int:
        num_starts = self._end - self.start_index - self._span + 1
        if self.targets is not None:
            num_starts = min(num_starts, len(self.targets) - self.start_index)
        return max(0, -(-num_starts // self.sequence_stride))

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        start = self.start_index + index * self.sequence_stride
        found = self.series[start : start + self._span : self.sampling_rate]
        if self.targets is None:
            return found
        target: Values = self.targets[start]
        return found, target


# --- the flat_map method ---------------------------------------------------------------------------------------------


class WindowStream(IterableDataset[torch.Tensor]):
    """A stream of windows over sources that need not fit into memory.

    Windows never cross from one source into the next. With `shuffle_buffer` n > 1, each window yielded is drawn at
    random from n waiting ones, as `Dataset.shuffle(n)` does; every window still comes out exactly once an epoch, in an
    order set by the seed and the epoch (`set_epoch`). In a `DataLoader` with workers, source i is read by worker
    i mod n, so no window is doubled or lost.

    Args:
        sources: functions that open a source; called anew each epoch, in the worker.
        length, shift, stride, drop_remainder: as in `window`; `shift` defaults to `length`.
        shuffle_buffer: windows to draw from; 1 keeps the order.
        seed: of the shuffling.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        length: int,
        shift: int | None = None,
        stride: int = 1,
        drop_remainder: bool = True,
        shuffle_buffer: int = 1,
        seed: int = 0,
    ) -> None:
        self.shift = length if shift is None else shift
        check_window(length, self.shift, stride)
        if shuffle_buffer < 1:
            raise ValueError(f"shuffle_buffer must be at least 1, not {shuffle_buffer}")
        self.sources = list(sources)
        self.length, self.stride, self.drop_remainder = length, stride, drop_remainder
        self.shuffle_buffer, self.seed = shuffle_buffer, seed
        # In shared memory, so that workers that outlive an epoch (persistent_workers) see it advance.
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Choose the shuffling order of the next pass."""
        self._epoch[0] = epoch

    def __iter__(self) -> Iterator[torch.Tensor]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        windows = (
            found
            for source in self.sources[first::step]
            for found in stream(source(), self.length, self.shift, self.stride, self.drop_remainder)
        )
        rng = np.random.default_rng([self.seed, int(self._epoch[0]), first])
        return map(torch.from_numpy, shuffled(windows, self.shuffle_buffer, rng))


def steps_after_convolution(kernel_size: int, stride: int) -> slice:
    """Which steps of a sequence the outputs of an unpadded convolution stand at: `targets[:, slice]` aligns with them.

    Output i has seen the steps up to `kernel_size - 1 + i·stride`, so that is the step whose target it may be given. A
    kernel of 4 with stride 2 makes 55 outputs of 112 steps; their targets are `targets[:, 3::2]`.
    """
    check_window(kernel_size, 1, stride)
    return slice(kernel_size - 1, None, stride)
