"""What was measured, as Markdown."""

from collections.abc import Mapping, Sequence

from benchmarks.serving.grid import Row
from benchmarks.serving.measure import Round, rates
from benchmarks.serving.spread import Spread, ratio, spread


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, all others are figures."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *lines))


def show(row: Row, measured: Mapping[str, Sequence[Round]], first: str) -> str:
    """One row of the grid, with each contender's ratio to the contender named `first`, and what is aimed at."""
    workload = row.workload
    unit = "words" if workload.kind == "texts" else "points"
    each = "a text" if workload.kind == "texts" else "a series"
    title = (
        f"**{row.name}**: {workload.count} {workload.kind} a request, {workload.length} {unit} {each}, "
        f"{row.connections} connections, {row.workers} workers; {len(measured[first])} rounds"
    )
    lines = []
    for name, rounds in measured.items():
        compared = ratio(rates(measured[first]), rates(rounds))
        lines.append(
            [
                name,
                spread(rates(rounds)).show(0),
                "" if name == first else f"{compared.show()} ×",
                f"≥ {row.aims[name]:g}: {_met(compared.median >= row.aims[name])}" if name in row.aims else "",
                _latency([one.p50_ms for one in rounds]),
                _latency([one.p99_ms for one in rounds]),
                f"{spread(one.cpu_seconds for one in rounds).median:.3f}",
            ]
        )
    header = ("", "requests/s", f"{first} answers", "aim", "p50 ms", "p99 ms", "CPU s per 1,000")
    said = f"\n{title}\n\n{markdown(header, lines)}\n"
    if row.p99_aim is not None:
        tail = ratio([one.p99_ms or 0 for one in measured[first]], [one.p50_ms or 0 for one in measured[first]])
        said += f"\np99 of {first} is {tail.show()} × its p50; {at_most(tail, row.p99_aim)}\n"
    return said


def at_most(found: Spread, aim: float) -> str:
    """Whether the median is within an aim."""
    return f"aim ≤ {aim:g}: {_met(found.median <= aim)}"


def _met(holds: bool) -> str:
    return "met" if holds else "**not met**"


def _latency(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{spread(known).median:.2f}" if known else ""
