"""The self-test of a version: nothing is in its graph but what may be, and it reproduces the golden samples.

What its task adds to a bundle is tested by the task. Run in a worker (`loader`) and in a sandbox alike.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from bundle.golden import Golden, GoldenMismatch, replay
from bundle.graph import GraphRefused, check_graph
from bundle.manifest import GOLDEN_FILE, MODEL_FILE, REPORT_FILE
from bundle.store import Bundle, BundleError, BundleUnreadable
from bundle.tasks import TASKS
from service.catalog.rejected import Rejected
from service.engine.runtime import InferenceFailed, ModelUnusable, Runtime


@dataclass(frozen=True)
class Tested:
    """What a version answers with, once it has passed."""

    runtime: Runtime
    assets: Any
    """Of its task: see `bundle.tasks.Task.self_test`."""
    report: bytes = field(repr=False)
    """`report.json`, a JSON object."""


def self_test(bundle: Bundle) -> Tested:
    """Load a version and replay its golden samples. Raises what `rejection` knows."""
    manifest = bundle.manifest
    task = TASKS[manifest.spec.task]
    check_graph(bundle.files[MODEL_FILE])
    runtime = Runtime(bundle.files[MODEL_FILE], manifest.inputs, manifest.outputs, rows_are_alike=task.rows_are_alike)
    golden = Golden.from_bytes(bundle.files[GOLDEN_FILE])
    for kind, recorded, specs in (
        ("inputs", golden.inputs, manifest.inputs),
        ("outputs", golden.outputs, manifest.outputs),
    ):
        if set(recorded) != {spec.name for spec in specs}:
            raise GoldenMismatch(f"golden samples must record the manifest's {kind}")
    assets = task.self_test(manifest.spec, bundle.files, golden)
    replay(golden, runtime.run)
    return Tested(runtime, assets, _report(bundle))


def rejection(error: Exception) -> Rejected:
    """What an error raised by reading or testing a version says of it."""
    match error:
        case BundleUnreadable():
            return Rejected(str(error), "unreadable")
        case BundleError():
            return Rejected(str(error), "files")
        case GraphRefused() | ModelUnusable():
            return Rejected(str(error), "graph")
        case ValueError() | InferenceFailed():  # GoldenMismatch is a ValueError, and what TextEncoder raises
            return Rejected(str(error), "proof")
        case MemoryError():
            return Rejected("there is not enough memory to load it", "memory")
        case _:
            return Rejected(f"{type(error).__name__}: {error}", "defect")


def _report(bundle: Bundle) -> bytes:
    """The report, an empty one where there is none. Raises `BundleError` if it is no JSON object."""
    content = bundle.files.get(REPORT_FILE, b"{}")
    try:
        report = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{REPORT_FILE} is not JSON") from error
    if not isinstance(report, dict):
        raise BundleError(f"{REPORT_FILE} is not a JSON object")
    return content
