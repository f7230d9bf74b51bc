"""Own data on the command line: `--classify FILE …` and `--forecast FILE …` in place of a recipe's name."""

import argparse
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bundle.manifest import Name
from bundle.tasks.forecast.series import FREQUENCIES
from training.data.own_series import OwnSeries
from training.models import ARCHITECTURES
from training.recipes import RECIPES, Recipe
from training.recipes.own import own_classifier, own_forecaster

DEFAULT_ARCHITECTURE = "cnn"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the columns of an own file, and what comes of it."""
    own = parser.add_argument_group("own data", "CSV or Parquet, packed with gzip or not, in place of NAME")
    own.add_argument("--classify", type=Path, metavar="FILE", help="texts with labels")
    own.add_argument("--text", metavar="COLUMN", help="of --classify: the text")
    own.add_argument("--label", metavar="COLUMN", help="of --classify: its label")
    own.add_argument("--forecast", type=Path, metavar="FILE", help="series, a row for each time and series")
    own.add_argument("--time", metavar="COLUMN", help="of --forecast: date or time")
    own.add_argument("--value", metavar="COLUMN", help="of --forecast: the number")
    own.add_argument("--series", metavar="COLUMN", help="of --forecast: which series; default: the file holds one")
    own.add_argument("--freq", choices=FREQUENCIES, help="of --forecast: spacing; default: found from the times")
    own.add_argument("--horizon", type=int, metavar="STEPS", help="of --forecast: steps ahead")
    own.add_argument("--fill-gaps", action="store_true", help="of --forecast: read steps without a row as missing")
    own.add_argument("--name", metavar="NAME", help="what the model is called: a-z, 0-9 and single hyphens")


def check_arguments(chosen: argparse.Namespace, parser: argparse.ArgumentParser, known: list[str]) -> None:
    """End with what is missing or too much, unless either a name of `known` or one own file is given in full."""
    given = [way for way in ("model", "classify", "forecast") if getattr(chosen, way) is not None]
    if len(given) != 1:
        parser.error("give either the NAME of a recipe, or --classify FILE, or --forecast FILE")
    if given == ["model"]:
        if chosen.model not in known:
            parser.error(f"there is no {chosen.model!r}; there are {', '.join(known)}")
        return
    needed = ("text", "label", "name") if given == ["classify"] else ("time", "value", "horizon", "name")
    if missing := [f"--{option}" for option in needed if getattr(chosen, option) is None]:
        parser.error(f"--{given[0]} needs {', '.join(missing)} too")
    try:
        TypeAdapter(Name).validate_python(chosen.name)
    except ValidationError:
        parser.error(f"--name {chosen.name!r}: a name is 1 to 63 of a-z, 0-9 and single inner hyphens")
    if chosen.name in RECIPES or any(chosen.name == make().alias for make in RECIPES.values()):
        parser.error(f"--name {chosen.name!r} is that of a shipped model; choose another")


def recipe_maker(chosen: argparse.Namespace) -> Callable[[str, str], Recipe]:
    """What makes the recipe for the own file: name, architecture -> recipe."""
    if chosen.classify is not None:
        return lambda name, architecture: own_classifier(name, chosen.classify, chosen.text, chosen.label, architecture)
    columns = (chosen.forecast, chosen.time, chosen.value, chosen.series)
    source = OwnSeries(*columns, freq=chosen.freq, horizon=chosen.horizon, fill_gaps=chosen.fill_gaps)
    return lambda name, architecture: own_forecaster(name, source, architecture)


def chosen_recipe(chosen: argparse.Namespace) -> Recipe:
    """The recipe named, or the one for the own file."""
    if chosen.model is not None:
        return RECIPES[chosen.model]()
    return recipe_maker(chosen)(chosen.name, chosen.architecture or DEFAULT_ARCHITECTURE)


def chosen_recipes(chosen: argparse.Namespace) -> dict[str, Recipe]:
    """The recipe for the own file, for every architecture."""
    make = recipe_maker(chosen)
    return {architecture: make(f"{chosen.name}-{architecture}", architecture) for architecture in ARCHITECTURES}
