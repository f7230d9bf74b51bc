"""Groups of texts that are near-duplicates: equal but for what isn't a letter, or made from one template.

Texts of one template share most of their shingles (runs of `SHINGLE` words, digits dropped). MinHash finds such pairs:
two texts with a Jaccard similarity of s agree in one signature with probability s, in a band of `ROWS` with s^ROWS.

Source: A. Broder, "On the Resemblance and Containment of Documents", SEQUENCES 1997.
"""

import re
import zlib
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.data.splits import near_duplicate_key

SHINGLE = 6
BANDS, ROWS = 8, 3
_WORD = re.compile(r"[^\W\d_]+")


def group(texts: Sequence[str]) -> NDArray[np.int64]:
    """A number for each text; near-duplicates have the same."""
    parents = list(range(len(texts)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    first: dict[object, int] = {}
    for index, keys in enumerate(_keys(texts)):
        for key in keys:
            other = first.setdefault(key, index)
            if other != index:
                parents[root(index)] = root(other)
    return np.array([root(index) for index in range(len(texts))])


@cache
def _code(word: str) -> int:
    """The same in any set of texts, so that a pair is found in all of them or in none."""
    return zlib.crc32(word.encode("utf-8", "replace"))


def _keys(texts: Sequence[str]) -> Iterable[list[object]]:
    rng = np.random.default_rng(0)
    factors = rng.integers(1, 2**63, size=(BANDS * ROWS, 1), dtype=np.uint64) | np.uint64(1)
    powers = rng.integers(1, 2**63, size=SHINGLE, dtype=np.uint64) | np.uint64(1)
    for text in texts:
        keys: list[object] = [near_duplicate_key(text)]
        words = _WORD.findall(text.casefold())
        if len(words) >= 2 * SHINGLE:
            numbers = np.array([_code(word) for word in words], dtype=np.uint64)
            windows = np.lib.stride_tricks.sliding_window_view(numbers * np.uint64(0x9E3779B97F4A7C15), SHINGLE)
            hashes = (windows * powers).sum(axis=1, dtype=np.uint64)
            hashes ^= hashes >> np.uint64(31)
            signature = (hashes * factors).min(axis=1).reshape(BANDS, ROWS)
            keys += [(band, *row) for band, row in enumerate(signature.tolist())]
        yield keys
