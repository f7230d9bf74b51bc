"""What is served: `GET /models` and the card of each model and version."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from bundle.manifest import GOLDEN_FILE, MODEL_FILE, Manifest
from bundle.store import BundleError, BundleUnreadable, read_published, version_folder
from bundle.tasks import TASKS as BUNDLE_TASKS
from service.catalog import disk
from service.catalog.loader import TestedVersion
from service.catalog.snapshot import Snapshot
from service.errors import NotFound, NotReady
from service.http.problem import declared
from service.state import Context, context
from service.tasks.task import Task

MEDIA_TYPES = {".md": "text/markdown; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json"}
FILE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
"""Files come from a bundle, not from us: a forged plot may draw and do nothing else."""


class PendingVersion(BaseModel):
    """A version in the store that has not been loaded yet."""

    name: str
    version: int


class RefusedVersion(PendingVersion):
    """A version in the store that must not answer, and why."""

    reason: str


class AliasTarget(BaseModel):
    """What an alias resolves to now."""

    name: str
    pinned: int | None = Field(description="the version it is pinned to; null: the newest that passed its self-test")
    version: int | None = Field(description="the version that answers; null: none can")


class ModelSummary(BaseModel):
    """One bundle name."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)  # those of each task are always there

    name: str
    task: str
    architecture: str
    version: int = Field(description="the version that answers when none is asked for by name")
    versions: list[int] = Field(description="versions that passed their self-test and can be asked for")
    aliases: list[str]


class ModelList(BaseModel):
    """Everything in the store, and what became of it."""

    models: list[ModelSummary]
    aliases: dict[str, AliasTarget]
    refused: list[RefusedVersion]
    pending: list[PendingVersion] = Field(description="versions not self-tested yet; those that are asked for go first")


class ModelCard(BaseModel):
    """One version: what it is, how good it is, and where its plots are."""

    name: str
    version: int
    versions: list[int]
    aliases: list[str]
    manifest: Manifest
    metrics: dict[str, Any] = Field(description="of the model on held-out data")
    baselines: dict[str, dict[str, Any]] = Field(description="the same figures of each baseline")
    report: dict[str, Any] = Field(description="the full report of the training run")
    files: list[str] = Field(description="paths of report and plots")


router = APIRouter(prefix="/models", tags=["models"])


def list_route(tasks: Mapping[str, Task]) -> APIRouter:
    """`GET /models`, whose entries hold what each task adds to them."""
    bases: Any = (*reversed([task.summary for task in tasks.values()]), ModelSummary)
    entry: Any = create_model("ModelSummary", __base__=bases, __doc__=ModelSummary.__doc__)
    whole: Any = create_model("ModelList", __base__=ModelList, __doc__=ModelList.__doc__, models=(list[entry], Field()))
    own = APIRouter(prefix="/models", tags=["models"])

    @own.get("", summary="What is served", response_model=whole)
    async def list_models(context: Annotated[Context, Depends(context)]) -> Any:
        """Models, aliases, versions, and the versions rejected with the reason."""
        snapshot = context.catalog.snapshot
        models = []
        for name in snapshot.names():
            versions = snapshot.passed(name)
            manifest = snapshot.versions[name, versions[-1]].manifest
            summary = {
                "name": name,
                "task": manifest.spec.task,
                "architecture": manifest.architecture,
                "version": manifest.version,
                "versions": versions,
                "aliases": _aliases_of(snapshot, name),
            }
            models.append(summary | vars(tasks[manifest.spec.task].summarise(manifest.spec)))
        aliases = {}
        for alias, target in snapshot.aliases.items():
            _, version = snapshot.key_of(alias) or (None, None)
            aliases[alias] = {"name": target.name, "pinned": target.version, "version": version}
        return {
            "models": models,
            "aliases": aliases,
            "refused": [
                {"name": name, "version": version, "reason": rejected.reason}
                for (name, version), rejected in sorted(snapshot.rejected.items())
            ],
            "pending": [{"name": name, "version": version} for name, version in sorted(snapshot.pending)],
        }

    return own


@router.get("/{name}", summary="The card of the version in service", responses=declared(404, 503))
async def show_model(name: str, context: Annotated[Context, Depends(context)]) -> ModelCard:
    """Manifest, metrics beside baselines, report and plots of the version that answers to a name or alias."""
    return _card(context, await context.catalog.tested(name))


@router.get("/{name}/versions/{version}", summary="The card of one version", responses=declared(404, 503))
async def show_version(name: str, version: str, context: Annotated[Context, Depends(context)]) -> ModelCard:
    """The same for one version, in service or not."""
    return _card(context, await _find(context, name, version))


@router.get(
    "/{name}/versions/{version}/files/{file}",
    summary="A report or plot of one version",
    response_class=Response,
    responses={
        200: {
            "content": {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()},
            "headers": {name: {"schema": {"type": "string"}} for name in FILE_HEADERS},
        },
        **declared(404, 503),
    },
)
async def show_file(name: str, version: str, file: str, context: Annotated[Context, Depends(context)]) -> Response:
    """A file that the card lists."""
    manifest = (await _find(context, name, version)).manifest
    if file not in _shown(manifest):
        raise NotFound("The version has no such file to show; its card lists what there is.")
    folder = version_folder(context.settings.store, manifest.name, manifest.version)
    try:
        async with asyncio.timeout(disk.STALL_SECONDS):
            content = await disk.ask(read_published, folder, manifest, file)
    except (BundleUnreadable, TimeoutError):
        raise NotReady("The store can't be read now; try again later.", retry_after_seconds=1) from None
    except BundleError:
        raise NotFound("The file is no longer the one that was published.") from None
    return Response(content, media_type=MEDIA_TYPES[PurePosixPath(file).suffix], headers=FILE_HEADERS)


async def _find(context: Context, name: str, version: str) -> TestedVersion:
    if not (version.isascii() and version.isdigit() and len(version) <= 9):
        raise NotFound("A version is a positive whole number; GET /models lists them.")
    return await context.catalog.tested(name, int(version))


def _aliases_of(snapshot: Snapshot, name: str) -> list[str]:
    return sorted(alias for alias, target in snapshot.aliases.items() if target.name == name)


def _shown(manifest: Manifest) -> list[str]:
    """Report and plots: the files that are shown, not computed with."""
    shown = manifest.files.keys() - {MODEL_FILE, GOLDEN_FILE} - BUNDLE_TASKS[manifest.spec.task].required_files
    return sorted(file for file in shown if PurePosixPath(file).suffix in MEDIA_TYPES)


def _card(context: Context, tested: TestedVersion) -> ModelCard:
    snapshot, manifest = context.catalog.snapshot, tested.manifest
    return ModelCard(
        name=manifest.name,
        version=manifest.version,
        versions=snapshot.passed(manifest.name),
        aliases=_aliases_of(snapshot, manifest.name),
        manifest=manifest,
        metrics=manifest.metrics.get("model", {}),
        baselines={name: figures for name, figures in manifest.metrics.items() if name != "model"},
        report=json.loads(tested.report),
        files=[f"/models/{manifest.name}/versions/{manifest.version}/files/{file}" for file in _shown(manifest)],
    )
