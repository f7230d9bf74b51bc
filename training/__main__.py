"""Command line of the training half.

`fit NAME` makes and publishes a model, `compare NAME` sets architectures beside one another, `evaluate NAME --file F`
measures a published model, `republish NAME` exports one anew, `list` names the recipes. In place of NAME, `fit` and
`compare` take your own file:
`--classify mail.csv --text body --label kind --name my-filter`, or
`--forecast sales.csv --time date --value units --series shop --horizon 28 --name my-sales`.
"""

import argparse
import datetime as dt
import logging
import shlex
import sys
from pathlib import Path

from bundle.store import BundleError
from training import commands, own_data
from training.data.source import DataUnavailable
from training.export import ExportDiffers
from training.models import ARCHITECTURES
from training.recipes import RECIPES
from training.tasks import Period

DEFAULT_SEED = 42


def main(arguments: list[str] | None = None) -> int:
    """Parse and run."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    chosen = parser.parse_args(given)
    if chosen.command == "fit":
        own_data.check_arguments(chosen, parser, list(RECIPES))
    if chosen.command == "compare":
        own_data.check_arguments(chosen, parser, sorted({name.rpartition("-")[0] for name in RECIPES}))
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        if chosen.command == "fit":
            recipe = own_data.chosen_recipe(chosen)
            return commands.fit(recipe, chosen.store, chosen.seed, chosen.runs, progress=not chosen.no_progress)
        if chosen.command == "republish":
            return commands.republish(chosen.model, chosen.store)
        if chosen.command == "compare":
            return _compare(chosen, given)
        if chosen.command == "evaluate":
            period = Period(chosen.start, chosen.end)
            return commands.evaluate(chosen.model, chosen.store, chosen.version, chosen.file, period)
    except (BundleError, DataUnavailable, ExportDiffers, OSError, UnicodeDecodeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    for name, make in RECIPES.items():
        print(f"{name}: {make().intended_use}")
    return 0


def _compare(chosen: argparse.Namespace, given: list[str]) -> int:
    from training.compare.command import compare  # not above: `fit` needs none of it
    from training.compare.compare import Comparison, comparisons

    name = chosen.model or chosen.name
    return compare(
        comparisons(RECIPES)[name] if chosen.model else Comparison(name, own_data.chosen_recipes(chosen)),
        chosen.architectures,
        chosen.seeds,
        chosen.runs,
        chosen.output or Path("reports") / name,
        chosen.memory,
        chosen.shapes,
        f"python -m training {shlex.join(given)}",
        progress=not chosen.no_progress,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    fitting = commands.add_parser("fit", help="data, training, report, export, published bundle")
    fitting.add_argument("model", nargs="?", metavar="NAME", help="a recipe; `list` names them")
    fitting.add_argument("--store", type=Path, default=Path("models_store"), help="default: %(default)s")
    fitting.add_argument("--seed", type=int, default=DEFAULT_SEED, help="default: %(default)s")
    own_data.add_arguments(fitting)
    fitting.add_argument("--architecture", choices=ARCHITECTURES, help=f"default: {own_data.DEFAULT_ARCHITECTURE}")
    again = commands.add_parser(
        "republish", help="a published model exported anew, with the same weights, as its next version"
    )
    again.add_argument("model", help="bundle name")
    again.add_argument("--store", type=Path, default=Path("models_store"), help="default: %(default)s")
    comparing = commands.add_parser("compare", help="fit every architecture, several seeds each; a report")
    comparing.add_argument(
        "model", nargs="?", metavar="NAME", help="what the recipes' names begin with: spam, ridership"
    )
    own_data.add_arguments(comparing)
    comparing.add_argument("--seeds", type=int, default=5, help="fits of each architecture; default: %(default)s")
    comparing.add_argument(
        "--architectures", nargs="+", metavar="ARCHITECTURE", choices=ARCHITECTURES, help="default: all"
    )
    comparing.add_argument("--output", type=Path, help="folder of the report; default: reports/NAME")
    comparing.add_argument(
        "--memory", type=Path, help="folder of `python -m training.experiments.memory`, for a section of its own"
    )
    comparing.add_argument("--shapes", type=Path, help="folder of `python -m training.experiments.shapes`, likewise")
    for command in (fitting, comparing):
        command.add_argument("--runs", type=Path, default=Path("runs"), help="folder for fits; default: %(default)s")
        command.add_argument("--no-progress", action="store_true", help="no progress bars")
    measuring = commands.add_parser("evaluate", help="measure a published bundle on any file of its data set's form")
    measuring.add_argument("model", help="bundle name or alias")
    measuring.add_argument("--file", type=Path, required=True)
    measuring.add_argument("--store", type=Path, default=Path("models_store"), help="default: %(default)s")
    measuring.add_argument("--version", type=int, help="default: the one its alias means, or the newest")
    measuring.add_argument("--start", type=dt.date.fromisoformat, help="of ridership: first target day, YYYY-MM-DD")
    measuring.add_argument("--end", type=dt.date.fromisoformat, help="of ridership: last target day, YYYY-MM-DD")
    commands.add_parser("list", help="name the recipes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
