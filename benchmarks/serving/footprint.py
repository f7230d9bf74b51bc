"""A fresh process: time to its first answer, memory once every shipped bundle was asked, CPU while nobody asks."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.serving import usage
from benchmarks.serving.contender import Contender
from benchmarks.serving.contenders import SERVICE
from benchmarks.serving.server import Server, Unfit, post, serving
from benchmarks.serving.spread import Spread, spread
from benchmarks.serving.table import at_most, markdown
from benchmarks.serving.workload import SHORT, Workload
from bundle.store import list_versions

FIRST_ANSWER_SECONDS, MEGABYTES, IDLE_PERCENT = 1.0, 160, 0.5
"""What is aimed at, at most."""
IDLE_SECONDS = 10
SETTLE_SECONDS = 2
"""What is freed comes back, and what is done once after the start is done."""


def measure(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[dict[str, float]]]:
    """By contender and round; idle CPU of the service alone, in the last round."""
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    workload = Workload("texts", 1, SHORT)
    rows = workload.rows()[0]
    for number in range(rounds):
        for name, contender in contenders.items():
            with contextlib.ExitStack() as running:
                server = running.enter_context(serving(contender, workload.bundle, 1, rows))
                _ask_everything(server)
                time.sleep(SETTLE_SECONDS)
                largest = max(usage.memory(server.process), key=lambda process: process.rss)
                figures = {
                    "first_answer_seconds": server.first_answer_seconds,
                    "rss": largest.rss,
                    "pss": largest.pss,
                    "uss": largest.uss,
                }
                if name == SERVICE and number == rounds - 1:
                    before = usage.cpu_seconds(server.process)
                    time.sleep(IDLE_SECONDS)
                    figures["idle_percent"] = (usage.cpu_seconds(server.process) - before) / IDLE_SECONDS * 100
                measured[name].append(figures)
    return measured


def _ask_everything(server: Server) -> None:
    """Every bundle of the store, with full batches; a contender that serves one bundle is asked for that one."""
    texts, series = Workload("texts", 64, SHORT).rows()[0], Workload("series", 64, 512).rows()[0]
    models = list_versions(server.launch.store) if server.contender.name == SERVICE else [server.launch.model]
    for model in models:
        for rows in (texts, series):
            dialect = server.contender.dialect(rows)
            if dialect is None or (rows is texts) != model.startswith(("spam", "sentiment")):
                continue
            status, body = post(server.launch.port, dialect.ask(model, rows))
            if status != 200:
                raise Unfit(f"{server.contender.name}, {model}: {status} {body[:300]!r}")


def show(measured: Mapping[str, list[dict[str, Any]]]) -> str:
    """As Markdown."""
    lines, aims = [], []
    for name, rounds in measured.items():
        figures = {key: spread(one[key] for one in rounds if key in one) for key in rounds[-1]}
        lines.append(
            [
                name,
                figures["first_answer_seconds"].show(),
                *(figures[kind].show(0) for kind in ("rss", "pss", "uss")),
                f"{figures['idle_percent'].median:.2f}" if "idle_percent" in figures else "",
            ]
        )
        if name == SERVICE:
            aims = _aims(figures)
    header = ("", "s to first answer", "RSS MB", "PSS MB", "USS MB", "idle CPU %")
    title = "**footprint**: one worker; memory once every shipped bundle was asked (others serve one bundle)"
    return "\n".join(["", title, "", markdown(header, lines), "", *aims, ""])


def _aims(figures: Mapping[str, Spread]) -> list[str]:
    wanted = {"first_answer_seconds": FIRST_ANSWER_SECONDS, "rss": MEGABYTES, "idle_percent": IDLE_PERCENT}
    return [f"- {SERVICE}, {key}: {at_most(figures[key], aim)}" for key, aim in wanted.items()]
