"""`python -m training compare`: fit, time, report."""

from collections.abc import Sequence
from pathlib import Path

from bundle.manifest import MODEL_FILE
from training.compare.compare import Comparison
from training.compare.compare import compare as fit_all
from training.compare.latency import microseconds_per_answer
from training.compare.outcomes import read_row
from training.compare.report import memory_section, shapes_section, write_report
from training.compare.standings import Standings
from training.experiments.memory import read_outcomes as read_memory
from training.experiments.shapes import chicago, last_week_repeated
from training.experiments.shapes import read_outcomes as read_shapes
from training.export import session


def compare(
    comparison: Comparison,
    architectures: Sequence[str] | None,
    num_seeds: int,
    runs: Path,
    output: Path,
    memory: Path | None,
    shapes: Path | None,
    command: str,
    *,
    progress: bool,
) -> int:
    """Fit every architecture with several seeds, time them, and write the report; prints where.

    Args:
        comparison: what is compared.
        architectures: those of it that take part; None for all.
        num_seeds: fits of each.
        runs: folder where fits are kept, to go on from.
        output: folder of the report.
        memory: folder of a sweep by `training.experiments.memory`, for a section of its own.
        shapes: folder of a sweep by `training.experiments.shapes`, likewise.
        command: what was asked for, as the report quotes it.
        progress: show progress bars.
    """
    compared = fit_all(comparison, architectures or list(comparison.recipes), range(num_seeds), runs, progress=progress)
    models = {
        outcome.name: (session((place / MODEL_FILE).read_bytes()), read_row(place))
        for found in compared.outcomes.values()
        for outcome, place in found
    }
    further = [memory_section(read_memory(memory))] if memory else []
    if shapes:
        further.append(shapes_section(read_shapes(shapes), last_week_repeated(chicago())))
    write_report(Standings(compared, microseconds_per_answer(models)), command, output, further)
    print(output / "report.html")
    return 0
