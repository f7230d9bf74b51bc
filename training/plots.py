"""Plots of the reports, as SVG: the same input gives the same bytes.

Small multiples come as one SVG each, on the same axes, so that a page can lay them out for its width.
"""

import dataclasses
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from training.models import ARCHITECTURES

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "seqserve",
    "svg.fonttype": "none",  # text stays text: to be found, copied and read aloud
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
MODEL, BASELINE, PERFECT = "#1f6feb", "#8c959f", "#d0d7de"
PANEL = (3.6, 2.7)
THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.6g}")

Epochs = Sequence[Mapping[str, Any]]
"""Of one fit: `train_loss` and `valid_loss` of each epoch."""


@dataclass(frozen=True)
class Fan:
    """One forecast, as it is drawn: one value a step, None where missing."""

    title: str
    unit: str
    """Of a step, in the plural."""
    history: Sequence[float | None]
    actual: Sequence[float | None]
    median: Sequence[float]
    intervals: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    """Lower and upper end by level in percent, the widest first."""
    naive: Sequence[float | None]


def known(values: NDArray[np.floating]) -> list[float | None]:
    """As a `Fan` and JSON have them: None where missing."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return buffer.getvalue()


def _figure(width: float = 4.5, height: float = 3.5) -> tuple[Figure, Any]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        return figure, figure.subplots()


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str], title: str = "Confusion matrix") -> bytes:
    """Confusion matrix: actual labels down, predicted across."""
    figure, axes = _figure(3.6, 3.2)
    table = np.array(counts)
    edges = np.arange(len(labels) + 1) - 0.5
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.pcolormesh(edges, edges, shares, cmap="Blues", vmin=0, vmax=1)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    for (row, column), count in np.ndenumerate(table):
        share = count / max(table[row].sum(), 1)
        axes.text(
            column, row, f"{count}\n{share:.1%}", ha="center", va="center", color="white" if share > 0.5 else "black"
        )
    names = [_plain(label) for label in labels]
    axes.set_xticks(range(len(labels)), names)
    axes.set_yticks(range(len(labels)), names)
    axes.set(xlabel="predicted", ylabel="actual", title=_plain(title))
    return _svg(figure)


def calibration(bins: Sequence[tuple[float, float, int]]) -> bytes:
    """Reliability diagram: how often the model is right against how sure it says it is."""
    figure, axes = _figure(3.8, 3.4)
    axes.plot([0, 1], [0, 1], color=PERFECT, label="perfect")
    predicted, true, counts = zip(*bins, strict=True)
    axes.plot(predicted, true, "o-", color=MODEL, label="model")
    for x, y, count in zip(predicted, true, counts, strict=True):
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


def forecast_fan(fan: Fan) -> bytes:
    """History, what came true, median with interval bands, and the seasonal-naive line."""
    figure, axes = _figure(7.0, 3.4)
    _draw(fan, axes, MODEL)
    axes.set(xlabel=f"{fan.unit} ahead", title=_plain(fan.title))
    axes.legend(frameon=False, fontsize=7, ncols=2)
    return _svg(figure)


def _draw(fan: Fan, axes: Any, colour: str) -> None:
    history, actual, naive = (np.array(values, dtype=float) for values in (fan.history, fan.actual, fan.naive))
    past, future = np.arange(-len(history) + 1, 1), np.arange(1, len(actual) + 1)
    axes.plot(past, history, color="black", linewidth=1)
    for shade, (level, (lower, upper)) in enumerate(fan.intervals.items()):
        axes.fill_between(
            future, lower, upper, color=colour, alpha=0.15 + 0.15 * shade, linewidth=0, label=f"{level} %"
        )
    axes.plot(future, actual, "o", color="black", markersize=3, label="came true")
    axes.plot(future, fan.median, color=colour, label="median")
    axes.plot(future, naive, color=BASELINE, linestyle="--", label="seasonal naive")


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


# --- several architectures -------------------------------------------------------------------------------------------


def learning_curves(fits: Mapping[str, Sequence[Epochs]]) -> dict[str, bytes]:
    """By architecture: the validation loss of each fit, thin, and their median, bold; the training loss dashed."""
    losses = {name: [_losses(epochs, "valid_loss") for epochs in runs] for name, runs in fits.items()}
    training = {name: _median([_losses(epochs, "train_loss") for epochs in runs]) for name, runs in fits.items()}
    limits = _limits([*training.values(), *(curve for curves in losses.values() for curve in curves)])
    longest = max(len(curve) for curves in losses.values() for curve in curves)
    plots = {}
    for name, curves in losses.items():
        figure, axes = _figure(*PANEL)
        colour = _colour(name)
        for curve in curves:
            axes.plot(range(1, len(curve) + 1), curve, color=colour, linewidth=0.8, alpha=0.35)
        middle = _median(curves)
        axes.plot(range(1, len(middle) + 1), middle, color=colour, linewidth=2.2, label="validation, median")
        dashed = training[name]
        axes.plot(range(1, len(dashed) + 1), dashed, "--", color=BASELINE, label="training, median")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="epoch", ylabel="loss", title=_plain(name), xlim=(0.5, longest + 0.5), ylim=limits)
        _legend_below(axes)
        plots[name] = _svg(figure)
    return plots


def forecast_fans(fans: Mapping[str, Fan]) -> dict[str, bytes]:
    """By architecture: the same forecast, twice its length of history before it, on the same axes."""
    recent = {name: fan.history[-2 * len(fan.actual) :] for name, fan in fans.items()}
    edges = [
        values
        for name, fan in fans.items()
        for values in (recent[name], fan.actual, *(end for ends in fan.intervals.values() for end in ends))
    ]
    limits = _limits([np.array(values, dtype=float) for values in edges])
    plots = {}
    for name, fan in fans.items():
        figure, axes = _figure(*PANEL)
        _draw(dataclasses.replace(fan, history=recent[name]), axes, _colour(name))
        axes.yaxis.set_major_formatter(THOUSANDS)
        axes.set(xlabel=f"{fan.unit} ahead", title=_plain(name), ylim=limits)
        _legend_below(axes)
        plots[name] = _svg(figure)
    return plots


def figure_against_latency(
    points: Mapping[str, Sequence[tuple[float, float]]], label: str, baseline: tuple[str, float] | None
) -> bytes:
    """Every seed's figure over the microseconds of one answer, small; each architecture's median, large."""
    figure, axes = _figure(4.8, 3.4)
    for name, seeds in points.items():
        microseconds, values = np.array(seeds, dtype=float).T
        style = {"color": _colour(name), "marker": _marker(name)}
        axes.scatter(microseconds, values, s=18, alpha=0.4, linewidths=0, **style)
        middle = float(np.median(microseconds)), float(np.median(values))
        axes.scatter(*middle, s=75, edgecolors="white", linewidths=0.8, zorder=3, label=_plain(name), **style)
    if baseline is not None:
        name, value = baseline
        axes.axhline(value, color=BASELINE, linestyle="--", linewidth=1.2, label=_plain(f"best baseline: {name}"))
    everyone = [microseconds for seeds in points.values() for microseconds, _ in seeds]
    axes.set_xscale("log")
    axes.set_xlim(min(everyone) / 2, max(everyone) * 2)  # never so near that a tenth looks like a gulf
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(THOUSANDS)
    axes.set(xlabel="microseconds for one answer, one thread (log scale)", ylabel=_plain(label))
    _legend_below(axes)
    return _svg(figure)


def shapes(
    errors: Mapping[str, Mapping[str, Mapping[str, float]]], baselines: Mapping[str, float], baseline: str
) -> bytes:
    """Dots: the error of each shape of problem, one column a span of days ahead.

    Args:
        errors: by span, architecture and shape.
        baselines: by span, the error of the plain forecast.
        baseline: name of the plain forecast.
    """
    names = list(dict.fromkeys(name for span in errors.values() for found in span.values() for name in found))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 1.2 + 0.28 * len(names)))
        columns = figure.subplots(1, len(errors), sharey=True, squeeze=False)[0]
    for axes, (span, by_architecture) in zip(columns, errors.items(), strict=True):
        axes.axvline(baselines[span], color=BASELINE, linestyle="--", linewidth=1.2, label=_plain(baseline))
        for architecture, found in by_architecture.items():
            places = [names.index(name) for name in found]
            style = {"color": _colour(architecture), "marker": _marker(architecture)}
            axes.plot(list(found.values()), places, linestyle="", markersize=6, label=_plain(architecture), **style)
        axes.set(title=_plain(span), xlabel="mean absolute error", yticks=range(len(names)))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(THOUSANDS)
        axes.grid(axis="y", color=PERFECT, linewidth=0.6)
    columns[0].set_yticks(range(len(names)), [_plain(name) for name in names])
    columns[0].invert_yaxis()
    columns[0].legend(frameon=False, fontsize=7, ncols=3, loc="upper left", bbox_to_anchor=(0.0, -0.2))
    return _svg(figure)


def _legend_below(axes: Any) -> None:
    """Where it hides nothing."""
    axes.legend(frameon=False, fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))


def _plain(text: str) -> str:
    """A name as it is written: matplotlib takes what stands between two dollars for a formula."""
    return text.replace("$", r"\$")


def _colour(name: str) -> str:
    return ARCHITECTURES[name].colour if name in ARCHITECTURES else MODEL


def _marker(name: str) -> str:
    return ARCHITECTURES[name].marker if name in ARCHITECTURES else "o"


def _losses(epochs: Epochs, name: str) -> NDArray[np.float64]:
    return np.array([epoch[name] for epoch in epochs], dtype=float)


def _median(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Of each epoch that at least half of the fits reached."""
    length = int(np.median([len(curve) for curve in curves]))
    return np.array([np.median([curve[step] for curve in curves if len(curve) > step]) for step in range(length)])


def _limits(curves: Iterable[NDArray[np.float64]]) -> tuple[float, float]:
    """Of an axis that holds every curve."""
    values = np.concatenate([np.asarray(curve, dtype=float) for curve in curves])
    least, most = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.05 * ((most - least) or 1.0)
    return least - margin, most + margin
