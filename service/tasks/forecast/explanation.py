"""Occlusion explanation: which part of its history a forecast rests on. Each segment is hidden, and forecast again.

A hidden segment's values are missing: sending the series with nulls there gives the forecast that the weight was
computed from. Covariates and dates stay. Knows arrays, nothing of requests.

Source: M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014 (occlusion).
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_SEASONS, MAX_SEASONS = 4, 32
"""A segment is one season where the history holds this many of them; else there are `NUM_EQUAL` segments."""
NUM_EQUAL = 16
ROUNDING = 1e-6
"""A median that moves by less, as a share of its size or the history's, hasn't moved: float32 holds seven digits."""


class Segment(NamedTuple):
    """`values[start:end]` of a series."""

    start: int
    end: int


@dataclass(frozen=True)
class HiddenSegments:
    """The segments of one series that hold known values, and in the same order its history without each.

    A single segment can't be hidden: then `without` has no rows. `scale` is the size of the largest known value, or 1.
    """

    segments: list[Segment]
    without: NDArray[np.float32]
    scale: float


def split(num_values: int, context_length: int, season: int) -> list[Segment]:
    """Segments, oldest first: seasons counted back from the end, or equal parts, no shorter than one value."""
    oldest = max(0, num_values - context_length)
    num_read = num_values - oldest
    if MIN_SEASONS <= -(-num_read // season) <= MAX_SEASONS:
        ends = range(num_values, oldest, -season)
        return [Segment(max(oldest, end - season), end) for end in reversed(ends)]
    num_equal = min(NUM_EQUAL, num_read)
    edges = [oldest + num_read * part // num_equal for part in range(num_equal + 1)]
    return list(itertools.starmap(Segment, itertools.pairwise(edges)))


def hide_segments(history: NDArray[np.float32], num_values: int, season: int) -> HiddenSegments:
    """Hide each segment of a series of `num_values` values, whose newest are `history`."""
    first = num_values - len(history)  # index in the series where the context begins; below 0 where it is longer
    known = [
        segment
        for segment in split(num_values, len(history), season)
        if np.isfinite(history[segment.start - first : segment.end - first]).any()
    ]
    hidden = known if len(known) > 1 else []
    without = np.tile(history, (len(hidden), 1))
    for row, segment in zip(without, hidden, strict=True):
        row[segment.start - first : segment.end - first] = np.nan
    scale = float(np.nanmax(np.abs(history))) or 1.0
    return HiddenSegments(known, without, scale)


def weigh(median: NDArray[np.floating], without: NDArray[np.floating], scale: float) -> list[float]:
    """Each segment's share of all movements of the median; all 0 where nothing moves.

    `median` is `[steps]`, with the whole history; `without` `[segments, steps]`, empty where there is one segment.
    """
    if not len(without):
        return [1.0]
    moved = np.abs(without.astype(np.float64) - median).mean(axis=1)
    moved[moved < ROUNDING * max(float(np.abs(median).max()), scale)] = 0
    total = moved.sum()
    return [round(float(share), 6) for share in (moved / total if total else moved)]
