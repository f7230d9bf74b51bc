"""Command line of the training half.

`fit NAME` makes and publishes a model, `compare NAME` sets architectures beside one another, `evaluate NAME --file F`
measures a published model, `list` names the recipes.
"""

import argparse
import datetime as dt
import json
import logging
import sys
from pathlib import Path

from bundle.manifest import MODEL_FILE
from bundle.store import BundleError, list_versions, read_aliases, read_bundle, version_folder
from training.comparison import compare as fit_all
from training.comparison import comparisons
from training.comparison_report import memory_section, write_report
from training.data.source import DataUnavailable
from training.export import ExportDiffers, session
from training.latency import microseconds_per_answer
from training.memory import read_outcomes
from training.outcomes import read_row
from training.publish import publish
from training.recipes import RECIPES
from training.standings import Standings
from training.tasks import Period
from training.tasks.table import TASKS

DEFAULT_SEED = 42


def fit(name: str, store: Path, seed: int, folder: Path, *, progress: bool) -> int:
    """Run a recipe and publish what it made; prints where."""
    recipe = RECIPES[name]()
    trained = TASKS[recipe.task].fit(recipe, seed, folder / f"{name}-{seed}", progress=progress)
    manifest = publish(recipe, seed, trained, store)
    print(version_folder(store, manifest.name, manifest.version))
    return 0


def compare(
    name: str,
    architectures: list[str] | None,
    num_seeds: int,
    runs: Path,
    output: Path,
    memory: Path | None,
    *,
    progress: bool,
) -> int:
    """Fit every architecture with several seeds, time them, and write the report; prints where."""
    comparison = comparisons(RECIPES)[name]
    further = [memory_section(read_outcomes(memory))] if memory else []
    chosen = architectures or list(comparison.recipes)
    compared = fit_all(comparison, chosen, range(num_seeds), runs, progress=progress)
    models = {
        outcome.name: (session((place / MODEL_FILE).read_bytes()), read_row(place))
        for found in compared.outcomes.values()
        for outcome, place in found
    }
    standings = Standings(compared, microseconds_per_answer(models))
    only = f" --architectures {' '.join(architectures)}" if architectures else ""
    write_report(standings, f"python -m training compare {name} --seeds {num_seeds}{only}", output, further)
    print(output / "report.html")
    return 0


def evaluate(model: str, store: Path, version: int | None, file: Path, period: Period) -> int:
    """Measure a published bundle on a file of its data set's form; prints JSON."""
    alias = read_aliases(store).get(model)
    name = alias.name if alias else model
    versions = list_versions(store).get(name, [])
    if not versions or name not in RECIPES:
        print(f"there is no bundle {model!r} in {store}, or no recipe for it", file=sys.stderr)
        return 2
    if version is None:
        version = alias.version if alias and alias.version else versions[-1]
    if version not in versions:
        print(f"{name} has no version {version} in {store}; it has {', '.join(map(str, versions))}", file=sys.stderr)
        return 2
    bundle = read_bundle(version_folder(store, name, version))
    recipe = RECIPES[name]()
    run = session(bundle.files[MODEL_FILE])
    figures = TASKS[recipe.task].evaluate(recipe, bundle.manifest, dict(bundle.files), run, file, period)
    answer = {"model": name, "version": version, "file": file.name, "figures": figures}
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fitting = commands.add_parser("fit", help="run a recipe: data, training, report, export, published bundle")
    fitting.add_argument("name", choices=sorted(RECIPES))
    fitting.add_argument("--store", type=Path, default=Path("models_store"), help="default: %(default)s")
    fitting.add_argument("--seed", type=int, default=DEFAULT_SEED, help="default: %(default)s")
    fitting.add_argument("--runs", type=Path, default=Path("runs"), help="folder for checkpoints; default: %(default)s")
    fitting.add_argument("--no-progress", action="store_true", help="no progress bar")
    comparing = commands.add_parser("compare", help="fit every architecture of a family, several seeds each; a report")
    comparing.add_argument("name", choices=sorted(comparisons(RECIPES)))
    comparing.add_argument("--seeds", type=int, default=5, help="fits of each architecture; default: %(default)s")
    comparing.add_argument("--architectures", nargs="+", metavar="NAME", help="default: all that have a recipe")
    comparing.add_argument("--runs", type=Path, default=Path("runs"), help="where fits are kept; default: %(default)s")
    comparing.add_argument("--memory", type=Path, help="outcomes of python -m training.memory, for the report")
    comparing.add_argument("--output", type=Path, help="folder of the report; default: reports/NAME")
    comparing.add_argument("--no-progress", action="store_true", help="no progress bar")
    measuring = commands.add_parser("evaluate", help="measure a published bundle on any file of its data set's form")
    measuring.add_argument("model", help="bundle name or alias")
    measuring.add_argument("--file", type=Path, required=True)
    measuring.add_argument("--store", type=Path, default=Path("models_store"), help="default: %(default)s")
    measuring.add_argument("--version", type=int, help="default: the one its alias means, or the newest")
    measuring.add_argument("--start", type=dt.date.fromisoformat, help="of a series: first target day, YYYY-MM-DD")
    measuring.add_argument("--end", type=dt.date.fromisoformat, help="of a series: last target day, YYYY-MM-DD")
    commands.add_parser("list", help="name the recipes")
    chosen = parser.parse_args(arguments)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        if chosen.command == "fit":
            return fit(chosen.name, chosen.store, chosen.seed, chosen.runs, progress=not chosen.no_progress)
        if chosen.command == "compare":
            output = chosen.output or Path("reports") / chosen.name
            progress = not chosen.no_progress
            return compare(
                chosen.name,
                chosen.architectures,
                chosen.seeds,
                chosen.runs,
                output,
                chosen.memory,
                progress=progress,
            )
        if chosen.command == "evaluate":
            period = Period(chosen.start, chosen.end)
            return evaluate(chosen.model, chosen.store, chosen.version, chosen.file, period)
    except (BundleError, DataUnavailable, ExportDiffers, OSError, UnicodeDecodeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    for name, recipe in RECIPES.items():
        print(f"{name}: {recipe().intended_use}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
