"""Plots of the reports, as SVG: the same input gives the same bytes."""

import io
import itertools
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "seqserve",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
MODEL, BASELINE, PERFECT = "#1f6feb", "#8c959f", "#d0d7de"


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return buffer.getvalue()


def _figure(width: float = 4.5, height: float = 3.5) -> tuple[Figure, Any]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        return figure, figure.subplots()


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """Confusion matrix: actual labels down, predicted across."""
    figure, axes = _figure(3.6, 3.2)
    table = np.array(counts)
    axes.imshow(table / np.maximum(table.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        share = count / max(table[row].sum(), 1)
        axes.text(
            column, row, f"{count}\n{share:.1%}", ha="center", va="center", color="white" if share > 0.5 else "black"
        )
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="actual", title="Confusion matrix")
    return _svg(figure)


def calibration(bins: Sequence[tuple[float, float, int]]) -> bytes:
    """Reliability diagram: how often the model is right against how sure it says it is."""
    figure, axes = _figure(3.8, 3.4)
    axes.plot([0, 1], [0, 1], color=PERFECT, label="perfect")
    said, true, counts = zip(*bins, strict=True)
    axes.plot(said, true, "o-", color=MODEL, label="model")
    for x, y, count in zip(said, true, counts, strict=True):
        axes.annotate(str(count), (x, y), textcoords="offset points", xytext=(4, -10), fontsize=7)
    axes.set(
        xlabel="confidence", ylabel="share right", title="Calibration (count of rows)", xlim=(0, 1.05), ylim=(0, 1.05)
    )
    axes.legend(frameon=False)
    return _svg(figure)


def epochs(runs: Sequence[Sequence[dict[str, Any]]]) -> bytes:
    """Learning curves: training loss dashed, validation loss solid, one pair per run."""
    figure, axes = _figure()
    for number, run in enumerate(runs):
        steps = range(1, len(run) + 1)
        axes.plot(
            steps, [epoch["train_loss"] for epoch in run], "--", color=BASELINE, label="" if number else "training"
        )
        axes.plot(steps, [epoch["valid_loss"] for epoch in run], color=MODEL, label="" if number else "validation")
    axes.set(xlabel="epoch", ylabel="loss", title="Learning curves")
    axes.legend(frameon=False)
    return _svg(figure)


def forecast_fan(
    history: NDArray[np.floating],
    actual: NDArray[np.floating],
    median: NDArray[np.floating],
    intervals: dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]],
    naive: NDArray[np.floating],
    title: str,
) -> bytes:
    """History, what came true, median with interval bands, and the seasonal-naive line; one value a step."""
    figure, axes = _figure(7.0, 3.4)
    past, future = np.arange(-len(history) + 1, 1), np.arange(1, len(actual) + 1)
    axes.plot(past, history, color="black", linewidth=1)
    for shade, (level, (lower, upper)) in enumerate(intervals.items()):  # widest first
        axes.fill_between(future, lower, upper, color=MODEL, alpha=0.15 + 0.15 * shade, linewidth=0, label=f"{level} %")
    axes.plot(future, actual, "o", color="black", markersize=3, label="came true")
    axes.plot(future, median, color=MODEL, label="median")
    axes.plot(future, naive, color=BASELINE, linestyle="--", label="seasonal naive")
    axes.set(xlabel="days ahead", title=title)
    axes.legend(frameon=False, fontsize=7, ncols=2)
    return _svg(figure)


def error_by_horizon(curves: dict[str, Sequence[float]]) -> bytes:
    """Mean absolute error of each step ahead, the model beside its baselines."""
    figure, axes = _figure(5.0, 3.4)
    for name, errors in curves.items():
        colour = {"color": MODEL, "linewidth": 2} if name == "model" else {"linestyle": "--"}
        axes.plot(range(1, len(errors) + 1), errors, label=name.replace("_", " "), **colour)
    axes.set(xlabel="steps ahead", ylabel="mean absolute error", title="Error by horizon")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def memory(errors: dict[str, dict[int, float]], baseline: float, title: str) -> bytes:
    """Error against length, one line per contender, with the error of the constant answer."""
    figure, axes = _figure(6.0, 3.8)
    axes.axhline(baseline, color=BASELINE, linestyle="--", linewidth=1, label="constant answer")
    for marker, (name, by_length) in zip(itertools.cycle("os^vDP*X"), errors.items(), strict=False):
        axes.plot(list(by_length), list(by_length.values()), marker=marker, markersize=5, linewidth=1, label=name)
    lengths = sorted({length for by_length in errors.values() for length in by_length})
    axes.set(xscale="log", yscale="log", xlabel="length in steps", ylabel="error", title=title)
    axes.set_xticks(lengths, [str(length) for length in lengths])
    axes.set_xticks([], minor=True)
    axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return _svg(figure)
