"""What `python -m benchmarks.serving` measures: rows of a workload, connections and workers, and who takes part.

Not every combination: what says most within a quarter of an hour. The aims are ratios of the service's throughput.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.serving.contenders import ALONE, CHECKOUT, CONSTANT, INLINE, NO_MODEL, RAW
from benchmarks.serving.workload import LONG, SHORT, Workload


@dataclass(frozen=True)
class Row:
    """One table of the report."""

    name: str
    workload: Workload
    connections: int
    workers: int
    against: tuple[str, ...]
    """Names of contenders beside the service."""
    rounds: int = 3
    seconds: float = 3
    aims: Mapping[str, float] = field(default_factory=dict)
    """By contender: the service answers so many times as often, at least."""
    p99_aim: float | None = None
    """p99 of the service is so many times its p50, at most."""


_ONE, _MANY = Workload("texts", 1, SHORT), Workload("texts", 32, SHORT)
_INLINE = (ALONE, RAW, INLINE, CHECKOUT)
_ALL = (*_INLINE, NO_MODEL, CONSTANT)

GRID = (
    Row("text-64", _ONE, 64, 2, _ALL, 5, aims={RAW: 1.3, CHECKOUT: 0.85, INLINE: 2, ALONE: 0.5}),
    Row("text-64-one-worker", _ONE, 64, 1, _INLINE, 5, aims={RAW: 1.1}),
    Row("texts-32", _MANY, 64, 2, _INLINE, 5, seconds=2, aims={ALONE: 0.92}),
    Row("text-1000", _ONE, 1000, 2, (RAW, INLINE), 5, seconds=5, p99_aim=2),
    Row("text-1", _ONE, 1, 2, _ALL, 5, seconds=2, aims={RAW: 0.8}),
    Row("text-16", _ONE, 16, 2, (RAW, INLINE), seconds=2),
    Row("long-text", Workload("texts", 1, LONG), 64, 2, _INLINE),
    Row("long-texts-32", Workload("texts", 32, LONG), 4, 2, _INLINE),
    Row("series-56", Workload("series", 1, 56), 64, 2, (*_INLINE, CONSTANT)),
    Row("series-56-100", Workload("series", 100, 56), 4, 2, _INLINE),
    Row("series-512", Workload("series", 1, 512), 64, 2, (*_INLINE, CONSTANT)),
    Row("series-512-100", Workload("series", 100, 512), 4, 2, _INLINE),
)
