"""What a histogram observes, noted at once and counted later, all together.

To count one observation by itself takes a microsecond, and more with several workers, where each count is written to a
shared file; a short text's request has four.
"""

import numpy as np
from prometheus_client import Histogram


class Tally:
    """Observations of one histogram that have yet to be counted.

    Args:
        histogram: one that has its labels.
    """

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._values: list[float] = []
        self.observe = self._values.append
        self.observe_all = self._values.extend

    def count(self) -> int:
        """Hand over what was observed, and say how much that is."""
        if not self._values:
            return 0
        values = np.array(self._values, dtype=np.float64)
        self._values.clear()
        bounds, buckets = self._histogram._upper_bounds, self._histogram._buckets
        # As `Histogram.observe` does: a value goes to the first bucket whose bound it isn't beyond.
        counts = np.bincount(np.searchsorted(bounds, values, side="left"), minlength=len(buckets))
        self._histogram._sum.inc(float(values.sum()))
        for bucket, count in zip(buckets, counts.tolist(), strict=True):
            if count:
                bucket.inc(count)
        return len(values)
