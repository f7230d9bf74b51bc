"""Windows: both of our methods beside PyTorch's own ways and, where TensorFlow is installed, Keras's and tf.data's.

`python -m benchmarks.windows [--points 10000000] [--rounds 3]`

Speed: shuffled batches of 256 windows of 56 points, from a series in memory, in interleaved rounds. The clock starts
with the second batch; how long the first took is told beside. PyTorch computes on one thread, which on shared cores is
faster for batches this small; TensorFlow on as many as it chooses. Memory: a process that streams a file of 2 GB and
does nothing else, `benchmarks.stream_memory`.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.stream_memory import BATCH, LENGTH, Streamed
from training.data.window_stream import Values
from training.data.windows import WindowStream, shuffled_batches, window_matrix

OURS, OUR_STREAM = "window method", "flat_map method"
LIMIT_BYTES = 300_000_000

Batches = Callable[[], Iterable[Any]]


class _Slices(Dataset[torch.Tensor]):
    """One window an item, cut from a tensor: what a PyTorch tutorial does."""

    def __init__(self, series: torch.Tensor) -> None:
        self.series = series

    def __len__(self) -> int:
        return len(self.series) - LENGTH + 1

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.series[index : index + LENGTH]


def main() -> None:
    """Print windows a second as ratios, then peak memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="per way and round")
    parser.add_argument("--file-bytes", type=int, default=2_000_000_000)
    parser.add_argument("--tensorflow-seconds", type=float, default=60.0, help="of the file; the whole takes too long")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with_tensorflow = importlib.util.find_spec("tensorflow") is not None
    if not with_tensorflow:
        print("TensorFlow isn't installed here: without Keras and tf.data (benchmarks/README.md says how)\n")
    _memory(chosen.file_bytes, with_tensorflow, chosen.tensorflow_seconds)
    _speed(chosen.points, chosen.rounds, chosen.seconds, with_tensorflow)


# --- memory ----------------------------------------------------------------------------------------------------------


def _memory(file_bytes: int, with_tensorflow: bool, tensorflow_seconds: float) -> None:
    """Stream a file of random numbers, by each way in a process of its own."""
    ways = {"numpy": "flat_map method, in numpy", "torch": "flat_map method, DataLoader"}
    if with_tensorflow:
        ways["tensorflow"] = "tf.data window().flat_map()"
    print(f"Streaming {file_bytes / 1e9:g} GB of float32, windows of {LENGTH}, shuffle buffer of {8 * BATCH}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "series.bin"
        _write_series(file, file_bytes)
        for way, name in ways.items():
            limit = ["--seconds", str(tensorflow_seconds)] if way == "tensorflow" else []
            streamed = _streamed(way, file, limit)
            print(
                f"{name:36} peak {streamed.peak_bytes / 1e6:5.0f} MB, {streamed.imported_bytes / 1e6:5.0f} MB of it "
                f"before the first window; {streamed.read_bytes / 1e9:6.3f} GB in {streamed.stream_seconds:5.1f} s"
            )
            if way == "numpy":
                assert streamed.peak_bytes < LIMIT_BYTES, f"more than {LIMIT_BYTES} bytes"


def _write_series(file: Path, size: int) -> None:
    rng = np.random.default_rng(0)
    with open(file, "wb") as out:
        for done in range(0, size // 4, 1_000_000):
            rng.standard_normal(min(1_000_000, size // 4 - done), dtype=np.float32).tofile(out)


def _streamed(way: str, file: Path, limit: list[str]) -> Streamed:
    command = [sys.executable, "-m", "benchmarks.stream_memory", way, str(file), *limit]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return Streamed(**json.loads(printed))


# --- speed -----------------------------------------------------------------------------------------------------------


def _speed(points: int, rounds: int, seconds: float, with_tensorflow: bool) -> None:
    """Draw batches by each way in turn, round after round."""
    series = np.random.default_rng(0).standard_normal(points, dtype=np.float32)
    matrix = window_matrix(series, LENGTH, 1)
    assert np.shares_memory(series, matrix)
    first = next(shuffled_batches(matrix, BATCH, np.random.default_rng(0)))
    assert isinstance(first, torch.Tensor)
    print(f"\n{len(matrix):,} windows of {LENGTH} share the memory of {points:,} points: {series.nbytes / 1e6:g} MB")
    print(f"Shuffled batches of shape {list(first.shape)}; a ratio is the median of {rounds} rounds'\n")

    ways = _ways(series, matrix) | (_tensorflow_ways(series) if with_tensorflow else {})
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    first_seconds: dict[str, float] = {}
    for _ in range(rounds):
        for name, make in ways.items():
            first_seconds[name], speed = _windows_per_second(make(), seconds)
            speeds[name].append(speed)
    print(f"{'':44}{OURS + ' is':>20}{OUR_STREAM + ' is':>22}{'windows/s':>14}{'first batch':>13}")
    for name, values in speeds.items():
        print(
            f"{name:44}{_ratio(speeds[OURS], values):18,.1f} ×{_ratio(speeds[OUR_STREAM], values):20,.2f} ×"
            f"{statistics.median(values):14,.0f}{first_seconds[name]:11.2f} s"
        )


def _ways(series: Values, matrix: Values) -> dict[str, Batches]:
    tensor = torch.from_numpy(series)
    return {
        OURS: lambda: shuffled_batches(matrix, BATCH, np.random.default_rng(0)),
        OUR_STREAM: lambda: DataLoader(
            WindowStream([lambda: np.array_split(series, 100)], LENGTH, 1, shuffle_buffer=8 * BATCH), batch_size=BATCH
        ),
        "PyTorch: Tensor.unfold, batches of indices": lambda: _unfolded(tensor),
        "PyTorch: DataLoader over slices": lambda: DataLoader(_Slices(tensor), batch_size=BATCH, shuffle=True),
    }


def _unfolded(series: torch.Tensor) -> Iterator[torch.Tensor]:
    windows = series.unfold(0, LENGTH, 1)
    return (windows[indices] for indices in torch.split(torch.randperm(len(windows)), BATCH))


def _tensorflow_ways(series: Values) -> dict[str, Batches]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    def flat_mapped() -> Any:
        windows = tf.data.Dataset.from_tensor_slices(series).window(LENGTH, shift=1, drop_remainder=True)
        return windows.flat_map(lambda window: window.batch(LENGTH)).shuffle(8 * BATCH).batch(BATCH)

    def from_array() -> Any:
        return keras.utils.timeseries_dataset_from_array(series, None, LENGTH, batch_size=BATCH, shuffle=True, seed=0)

    return {"Keras: timeseries_dataset_from_array": from_array, "tf.data: window().flat_map()": flat_mapped}


def _windows_per_second(batches: Iterable[Any], seconds: float) -> tuple[float, float]:
    """Seconds until the first batch, and the speed from then on."""
    opened, remaining = time.perf_counter(), iter(batches)
    next(remaining)
    started, seen = time.perf_counter(), 0
    for batch in remaining:
        seen += len(batch)
        if time.perf_counter() - started > seconds:
            break
    return started - opened, seen / (time.perf_counter() - started)


def _ratio(ours: list[float], others: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, others, strict=True))


if __name__ == "__main__":
    main()
