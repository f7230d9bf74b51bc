"""What is measured of each peer, and what was, as Markdown."""

from collections.abc import Mapping
from typing import Any

from benchmarks.serving.contenders import RAW, SERVICE
from benchmarks.serving.grid import Row
from benchmarks.serving.spread import ratio, spread
from benchmarks.serving.table import markdown
from benchmarks.serving.workload import SHORT, Workload

ROWS = (
    Row(
        "text-64",
        Workload("texts", 1, SHORT),
        connections=64,
        workers=2,
        against=(),
        rounds=5,
        aims={"Triton": 1.15, "LitServe": 4, "MLServer": 4, "BentoML": 4, "Robyn": 1},
    ),
    Row("texts-32", Workload("texts", 32, SHORT), connections=64, workers=2, against=(), rounds=5),
)


def report(peers: Mapping[str, Mapping[str, Any]]) -> str:
    """A table for each row, and a line for each peer that was left out."""
    said = [_table(row, peers) for row in ROWS]
    said += [
        f"{name} {entry['version']} was left out: {entry['skipped']}"
        for name, entry in peers.items()
        if "skipped" in entry
    ]
    return "\n\n".join(said)


def brief(reason: str) -> str:
    """The first line, and the last that speaks of an error: what a peer printed may be long."""
    first, *others = reason.strip().splitlines()
    errors = [line.strip()[:300] for line in others if "error" in line.lower()]
    return " … ".join([first, *errors[-1:]])


def _table(row: Row, peers: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for name, entry in peers.items():
        if row.name not in entry["rows"]:
            continue
        measured = entry["rows"][row.name]
        rates, cpu = _values(measured, "rate"), _values(measured, "cpu_seconds")
        answers, aim = ratio(rates[SERVICE], rates[name]), row.aims.get(name)
        lines.append(
            [
                f"{name} {entry['version']}",
                spread(rates[name]).show(0),
                f"{answers.show()} ×",
                "" if aim is None else f"≥ {aim:g}: {'met' if answers.median >= aim else '**not met**'}",
                f"{ratio(rates[RAW], rates[name]).show()} ×",
                f"{spread(_values(measured, 'p50_ms')[name]).median:.1f}",
                f"{spread(_values(measured, 'p99_ms')[name]).median:.1f}",
                f"{spread(cpu[name]).median:.3f}",
                f"{ratio(cpu[SERVICE], cpu[name]).show()} ×",
            ]
        )
    header = (
        "",
        "requests/s",
        f"{SERVICE} answers",
        "aim",
        f"{RAW} answers",
        "p50 ms",
        "p99 ms",
        "CPU s per 1,000",
        f"{SERVICE} takes of CPU",
    )
    workload = row.workload
    title = f"**{row.name}**: {workload.count} texts a request of {workload.length} words"
    return f"{title}, {row.connections} connections, {row.workers} workers\n\n{markdown(header, lines)}"


def _values(measured: Mapping[str, list[dict[str, float]]], key: str) -> dict[str, list[float]]:
    return {name: [one[key] for one in rounds] for name, rounds in measured.items()}
