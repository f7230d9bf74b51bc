"""What the commands do; `training.__main__` reads the command line and calls them."""

import json
import logging
import sys
from pathlib import Path

from bundle.manifest import MODEL_FILE, Manifest
from bundle.store import list_versions, read_aliases, read_bundle, version_folder
from training.export import session
from training.publish import publish
from training.recipes import RECIPES, Recipe
from training.recipes.own import recipe_of
from training.republish import republish as export_anew
from training.tasks import Period
from training.tasks.table import TASKS

logger = logging.getLogger(__name__)


def fit(recipe: Recipe, store: Path, seed: int, folder: Path, *, progress: bool) -> int:
    """Run a recipe and publish what it made; prints where, and says how to ask for it."""
    trained = TASKS[recipe.task].fit(recipe, seed, folder / f"{recipe.name}-{seed}", progress=progress)
    manifest = publish(recipe, seed, trained, store)
    print(version_folder(store, manifest.name, manifest.version))
    question = TASKS[recipe.task].question % manifest.name
    logger.info("a service on this store answers it from now on: %s", question)
    return 0


def republish(name: str, store: Path) -> int:
    """Export a published model anew, as its next version; prints where."""
    manifest = export_anew(name, store)
    print(version_folder(store, manifest.name, manifest.version))
    return 0


def evaluate(model: str, store: Path, version: int | None, file: Path, period: Period) -> int:
    """Measure a published bundle on a file of its data set's form; prints JSON."""
    alias = read_aliases(store).get(model)
    name = alias.name if alias else model
    versions = list_versions(store).get(name, [])
    if not versions:
        print(f"there is no bundle {model!r} in {store}", file=sys.stderr)
        return 2
    if version is None:
        version = alias.version if alias and alias.version else versions[-1]
    if version not in versions:
        print(f"{name} has no version {version} in {store}; it has {', '.join(map(str, versions))}", file=sys.stderr)
        return 2
    bundle = read_bundle(version_folder(store, name, version))
    recipe = _recipe_of(bundle.manifest)
    if recipe is None:
        print(f"there is no recipe for {name}, so the form of its data isn't known", file=sys.stderr)
        return 2
    run = session(bundle.files[MODEL_FILE])
    figures = TASKS[recipe.task].evaluate(recipe, bundle.manifest, dict(bundle.files), run, file, period)
    answer = {"model": name, "version": version, "file": file.name, "figures": figures}
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    return 0


def _recipe_of(manifest: Manifest) -> Recipe | None:
    own = recipe_of(manifest)
    if own is not None:
        return own
    return RECIPES[manifest.name]() if manifest.name in RECIPES else None
