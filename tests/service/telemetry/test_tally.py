"""Observations counted together come to what they come to one by one."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest

from service.telemetry.tally import Tally

BOUNDS = (0.0, 0.25, 0.5, 1)


@given(st.lists(st.one_of(st.sampled_from([*BOUNDS, 7.0]), st.floats(-1, 2, width=16))))
def test_counted_together_as_one_by_one(values: list[float]) -> None:
    one_by_one, together = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("x", "x", ["of"], buckets=BOUNDS, registry=one_by_one).labels("y")
    tally = Tally(Histogram("x", "x", ["of"], buckets=BOUNDS, registry=together).labels("y"))
    for value in values:
        histogram.observe(value)
        tally.observe(value)
    assert tally.count() == len(values)
    assert tally.count() == 0
    assert _without_created(together) == _without_created(one_by_one)


def _without_created(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]
