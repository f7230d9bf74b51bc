"""Peak memory of a process that does nothing but stream the windows of a file; `benchmarks.windows` starts it.

`python -m benchmarks.stream_memory WAY FILE` prints a line of JSON. The peak is the kernel's own mark (`VmHWM`): it
begins with the process, whereas `ru_maxrss` begins with the peak of the process that started this one.
"""

import argparse
import json
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LENGTH, BATCH = 56, 256

# Each way yields 0 once its libraries are imported, then the size of each window or batch in bytes.


@dataclass(frozen=True)
class Streamed:
    """What was read, and what it took."""

    peak_bytes: int
    imported_bytes: int
    """Peak before the first window: interpreter and libraries."""
    read_bytes: int
    stream_seconds: float


def _numpy(file: Path) -> Iterable[int]:
    import numpy as np

    from training.data.window_stream import BinaryFile, shuffled, stream

    yield 0
    for found in shuffled(stream(BinaryFile(file)(), LENGTH), 8 * BATCH, np.random.default_rng(0)):
        yield found.nbytes


def _torch(file: Path) -> Iterable[int]:
    from torch.utils.data import DataLoader

    from training.data.window_stream import BinaryFile
    from training.data.windows import WindowStream

    yield 0
    for batch in DataLoader(WindowStream([BinaryFile(file)], LENGTH, shuffle_buffer=8 * BATCH), batch_size=BATCH):
        yield batch.nbytes


def _tensorflow(file: Path) -> Iterable[int]:
    import tensorflow as tf

    yield 0
    numbers: Any = tf.data.FixedLengthRecordDataset(str(file), 4_000_000)
    numbers = numbers.map(lambda record: tf.io.decode_raw(record, tf.float32)).unbatch()
    windows = numbers.window(LENGTH, drop_remainder=True).flat_map(lambda window: window.batch(LENGTH))
    for batch in windows.shuffle(8 * BATCH).batch(BATCH):
        yield int(tf.size(batch)) * 4


WAYS = {"numpy": _numpy, "torch": _torch, "tensorflow": _tensorflow}


def main() -> None:
    """Stream until the file or the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long")
    chosen = parser.parse_args()
    sizes = iter(WAYS[chosen.way](chosen.file))
    read = next(sizes)
    imported, started = _peak_bytes(), time.perf_counter()
    for size in sizes:
        read += size
        if time.perf_counter() - started > chosen.seconds:
            break
    print(json.dumps(asdict(Streamed(_peak_bytes(), imported, read, time.perf_counter() - started))))


def _peak_bytes() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


if __name__ == "__main__":
    main()
