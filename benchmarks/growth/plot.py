"""`python -m benchmarks.growth.plot`: what was measured, drawn; one SVG a curve."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.growth.curves import CURVES
from benchmarks.serving.contenders import ALONE, SERVICE
from benchmarks.serving.spread import spread

RESULTS = Path(__file__).resolve().parents[1] / "results" / "growth.json"
PLOTS = Path(__file__).resolve().parents[2] / "docs" / "growth"
MODELS = {
    "requests/s over all models": {"requests_s": "16 connections, one worker"},
    "MB of a process": {"rss_fresh": "after the start", "rss_all_asked": "once each was asked"},
    "s to the first answer": {"first_answer_seconds": "one worker"},
}


def main() -> None:
    """Draw every curve that the file has."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth.plot", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--folder", type=Path, default=PLOTS)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    # Text stays text, and nothing depends on the moment of drawing: a new drawing of the same figures is the same file.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "seqserve", "font.size": 9}
    for name, curve in json.loads(chosen.results.read_text())["curves"].items():
        path = chosen.folder / f"{name}.svg"
        (draw(curve) if name in CURVES else draw_models(curve)).savefig(path, metadata={"Date": None})
        print(path)


def draw(curve: dict[str, Any]) -> Figure:
    """Throughput of the service beside that of onnxruntime alone."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for name in (SERVICE, ALONE):
        _line(axes, curve["at"], curve[name], name)
    _label(axes, curve["axis"], curve["unit"])
    if curve["at"][-1] > 10 * curve["at"][0]:  # lengths and counts: as long again takes as long again, a straight line
        axes.loglog()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # a curve may stay within a power of ten
    else:
        axes.set_ylim(bottom=0)
    axes.set_xticks(curve["at"], [f"{value:,}" for value in curve["at"]])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()
    return figure


def draw_models(curve: dict[str, Any]) -> Figure:
    """Three figures over the number of models."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    for axes, (title, lines) in zip(figure.subplots(len(MODELS), sharex=True), MODELS.items(), strict=True):
        for key, label in lines.items():
            _line(axes, curve["at"], curve[key], label)
        _label(axes, curve["axis"], title)
        axes.set_ylim(bottom=0)
    return figure


def _line(axes: Axes, at: Sequence[float], rounds: Sequence[Sequence[float]], label: str) -> None:
    spreads = [spread(values) for values in rounds]
    axes.plot(at, [one.median for one in spreads], marker="o", markersize=3, label=label)
    axes.fill_between(at, [one.low for one in spreads], [one.high for one in spreads], alpha=0.2)


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    axes.legend()


if __name__ == "__main__":
    main()
