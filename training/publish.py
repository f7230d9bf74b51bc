"""From a trained model to a published bundle: export, report, reference, manifest, store."""

import dataclasses
import datetime as dt
import importlib.metadata
import json
import logging
import platform
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from bundle.manifest import FORMAT, GOLDEN_FILE, MODEL_FILE, REPORT_FILE, Manifest
from bundle.store import publish as write_bundle
from bundle.store import read_aliases, set_alias
from training.export import Exported, export
from training.report import markdown
from training.tasks import TrainedModel
from training.tasks.table import TASKS

LIBRARIES = ("torch", "lightning", "onnx", "onnxruntime", "numpy", "tokenizers", "scikit-learn", "statsforecast")

logger = logging.getLogger(__name__)


def publish(recipe: Any, seed: int, trained: TrainedModel, store: Path) -> Manifest:
    """Export a trained model and write it as the next version of `recipe.name`.

    The recipe's alias is set where the store has none of that name yet; otherwise it is left to whoever promotes.
    Raises `ExportDiffers` if the graph doesn't equal its original; the store is then unchanged.
    """
    exported = export(trained)
    report = {
        "name": recipe.name,
        "task": recipe.task,
        "seed": seed,
        "metrics": trained.metrics,
        "calibration": trained.calibration,
        "parameters": trained.parameters,
        "model_bytes": len(exported.model),
        "largest_export_difference": exported.largest_difference,
        **trained.report,
    }
    files = {
        **trained.files,
        MODEL_FILE: exported.model,
        GOLDEN_FILE: exported.golden,
        **report_files(recipe, report, trained),
    }
    files |= TASKS[recipe.task].measured_files(recipe, trained, files)
    describe = partial(_manifest, recipe, seed, trained, exported)
    manifest = write_bundle(store, recipe.name, files, describe)
    if recipe.alias is not None and recipe.alias not in read_aliases(store):
        set_alias(store, recipe.alias, recipe.name)
    logger.info("published %s version %d in %s", manifest.name, manifest.version, store)
    return manifest


def _manifest(
    recipe: Any, seed: int, trained: TrainedModel, exported: Exported, version: int, checksums: dict[str, str]
) -> Manifest:
    figures = {
        name: {figure: value for figure, value in values.items() if isinstance(value, int | float)}
        for name, values in trained.metrics.items()
    }
    return Manifest(
        format=FORMAT,
        name=recipe.name,
        version=version,
        spec=trained.spec,
        architecture=recipe.architecture,
        recipe=settings(recipe),
        seed=seed,
        parameters=trained.parameters,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        source_commit=source_commit(),
        data=trained.data,
        inputs=trained.inputs,
        outputs=trained.outputs,
        opset=exported.opset,
        ir_version=exported.ir_version,
        metrics=figures,
        calibration=trained.calibration,
        libraries={"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in LIBRARIES},
        intended_use=recipe.intended_use,
        limits=recipe.limits,
        files=checksums,
    )


def report_files(recipe: Any, report: dict[str, Any], trained: TrainedModel) -> dict[str, bytes]:
    """The report, for programs and for people."""
    return {
        REPORT_FILE: (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode(),
        "report.md": markdown(recipe, report, trained).encode(),
    }


def settings(recipe: Any) -> dict[str, Any]:
    """A recipe as a manifest keeps it."""
    kept: dict[str, Any] = to_jsonable_python(dataclasses.asdict(recipe, dict_factory=_without_folders))
    return kept


def _without_folders(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """Settings as a dictionary; of a file's path its name alone: where it lay is nobody's business."""
    return {name: value.name if isinstance(value, Path) else value for name, value in fields}


def source_commit() -> str:
    """The commit this code is at, with `+changes` where the code differs from it; `unknown` outside a repository."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return commit + (
            "+changes" if _git(here, "status", "--porcelain", "--", ".", "../bundle", "../pyproject.toml") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
