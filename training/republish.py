"""A published model in a better graph: the same weights, exported anew, as the next version.

For when the code that builds the graph has improved since. The weights are read from the published graph, the network
is built by today's code, exported and checked as after training, and has to repeat the golden samples that the bundle
was published with. Figures, tokenizer, reference and golden samples are taken over: the answers are the same.

Where today's network keeps weights less precisely, the golden samples need be repeated only roughly; new ones are
recorded, and the reference is measured anew, which needs the data. Figures are still taken over.
"""

import datetime as dt
import json
import logging
from pathlib import Path
from typing import Any

from bundle.golden import Golden, replay
from bundle.manifest import GOLDEN_FILE, MODEL_FILE, REPORT_FILE, Manifest
from bundle.store import BundleError, list_versions, read_bundle, version_folder
from bundle.store import publish as write_bundle
from training.export import EXPORT_TOLERANCE, export, session
from training.publish import report_files, settings, source_commit
from training.recipes import RECIPES
from training.tasks import TrainedModel
from training.tasks.table import TASKS
from training.weights import load_weights

ROUNDING_TOLERANCE = 5e-4
"""Largest difference from the golden samples that rounded weights may make: of a probability 0.05 %."""

logger = logging.getLogger(__name__)


def _said(settings: Any) -> Any:
    """Settings without those that are off: a bundle may be older than one of them."""
    if not isinstance(settings, dict):
        return settings
    told = {name: _said(value) for name, value in settings.items()}
    return {name: value for name, value in told.items() if value is not None and value is not False and value != []}


def republish(name: str, store: Path) -> Manifest:
    """Export the newest version anew and publish it as the next one.

    Raises `BundleError` if there is none, or its recipe isn't today's; `WeightsDiffer`, `ExportDiffers` or
    `GoldenMismatch` if it isn't the same model; `DataUnavailable`. The store is then unchanged.
    """
    versions = list_versions(store).get(name)
    if not versions:
        raise BundleError(f"there is no bundle {name!r} in {store}")
    bundle = read_bundle(version_folder(store, name, versions[-1]))
    before = bundle.manifest
    recipe = RECIPES[name]() if name in RECIPES else None
    if recipe is None or _said(settings(recipe)) != _said(before.recipe):
        raise BundleError(f"{name} version {before.version} wasn't made by a recipe of this release; fit it anew")
    graph, samples = TASKS[recipe.task].rebuilt(recipe, before, bundle.files)
    rounded = load_weights(graph, bundle.files[MODEL_FILE])
    golden = Golden.from_bytes(bundle.files[GOLDEN_FILE])
    report = json.loads(bundle.files[REPORT_FILE])
    trained = TrainedModel(
        graph=graph,
        inputs=before.inputs,
        outputs=before.outputs,
        samples=samples,
        golden=golden.inputs,
        golden_texts=golden.texts,
        spec=before.spec,
        parameters=before.parameters,
        data=before.data,
        metrics=report["metrics"],
        calibration=before.calibration,
        report=report,
        files=dict(bundle.files),
    )
    exported = export(trained)
    difference = replay(golden, session(exported.model), ROUNDING_TOLERANCE if rounded else EXPORT_TOLERANCE)
    logger.info("the golden samples of version %d are repeated within %.1e", before.version, difference)
    report |= {
        "model_bytes": len(exported.model),
        "largest_export_difference": exported.largest_difference,
        "weights_of": {
            "version": before.version,
            "source_commit": before.source_commit,
            "rounded": rounded,
            "golden_difference": difference,
        },
    }
    files = {**bundle.files, MODEL_FILE: exported.model, **report_files(recipe, report, trained)}
    if rounded:
        files[GOLDEN_FILE] = exported.golden
        files |= TASKS[recipe.task].measured_files(recipe, trained, files)

    def describe(version: int, checksums: dict[str, str]) -> Manifest:
        changes = {
            "version": version,
            "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "source_commit": source_commit(),
            "opset": exported.opset,
            "ir_version": exported.ir_version,
            "files": checksums,
        }
        return before.model_copy(update=changes)

    return write_bundle(store, name, files, describe)
