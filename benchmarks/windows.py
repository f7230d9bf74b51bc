"""Windows: both of our methods beside a DataLoader over Python slices, PyTorch's own way, in interleaved rounds.

`python -m benchmarks.windows [--points 1000000] [--rounds 3]`
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from training.data.windows import WindowStream, window_matrix

LENGTH, BATCH = 56, 256


class _Slices(Dataset[torch.Tensor]):
    """One window an item, cut from a tensor: what a PyTorch tutorial does."""

    def __init__(self, series: torch.Tensor) -> None:
        self.series = series

    def __len__(self) -> int:
        return len(self.series) - LENGTH + 1

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.series[index : index + LENGTH]


def main() -> None:
    """Print windows a second, and how many times those of the slices."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--windows", type=int, default=200_000, help="windows drawn per round")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    series = np.random.default_rng(0).normal(size=chosen.points).astype(np.float32)
    ways: dict[str, Callable[[], Iterable[object]]] = {
        "DataLoader over slices, shuffled": lambda: DataLoader(
            _Slices(torch.from_numpy(series)), batch_size=BATCH, shuffle=True
        ),
        "window method, shuffled": lambda: _shuffled_batches(series),
        "flat_map method, shuffle buffer": lambda: DataLoader(
            WindowStream([lambda: np.array_split(series, 100)], LENGTH, 1, shuffle_buffer=8 * BATCH), batch_size=BATCH
        ),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(chosen.rounds):
        for name, make in ways.items():
            speeds[name].append(_windows_per_second(make(), chosen.windows))
    base = statistics.median(speeds["DataLoader over slices, shuffled"])
    for name, values in speeds.items():
        print(f"{name:34} {statistics.median(values):14,.0f} windows/s {statistics.median(values) / base:8.1f} ×")


def _shuffled_batches(series: np.ndarray) -> Iterable[object]:
    windows = window_matrix(series, LENGTH, 1)
    order = np.random.default_rng(0).permutation(len(windows))
    return (windows[order[start : start + BATCH]] for start in range(0, len(order), BATCH))


def _windows_per_second(batches: Iterable[object], count: int) -> float:
    started, seen = time.perf_counter(), 0
    for _ in batches:
        seen += BATCH
        if seen >= count:
            break
    return seen / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
