"""A version proves itself: its graph holds nothing but what may be in one, its tokenizer gives the ids that were
recorded, its graph the outputs that torch gave. In a worker (`loader`) and in a trial (`trial_process`) alike.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bundle.golden import Golden, GoldenMismatch, replay
from bundle.graph import GraphRefused, check_graph
from bundle.manifest import GOLDEN_FILE, MODEL_FILE, REPORT_FILE
from bundle.store import Bundle, BundleError, BundleUnreadable
from bundle.tasks.classify.reference import REFERENCE_FILE, Reference, read_reference
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TOKENIZER_FILE, TextEncoder
from service.catalog.rejected import Rejected
from service.engine.runtime import InferenceFailed, ModelUnusable, Runtime


@dataclass(frozen=True)
class Proof:
    """What a version answers with, once it has proved itself."""

    runtime: Runtime
    encoder: TextEncoder | None
    reference: Reference | None
    report: bytes = field(repr=False)
    """`report.json`, a JSON object."""


def prove(bundle: Bundle, make_encoder: Callable[[str, int], TextEncoder] = TextEncoder) -> Proof:
    """Load a version and replay its golden samples.

    Args:
        bundle: as it was read.
        make_encoder: content of `tokenizer.json` and `max_tokens` to the encoder.

    Raises what `refusal` knows.
    """
    manifest = bundle.manifest
    check_graph(bundle.files[MODEL_FILE])
    runtime = Runtime.of(bundle)
    golden = Golden.from_bytes(bundle.files[GOLDEN_FILE])
    for kind, recorded, specs in (
        ("inputs", golden.inputs, manifest.inputs),
        ("outputs", golden.outputs, manifest.outputs),
    ):
        if set(recorded) != {spec.name for spec in specs}:
            raise GoldenMismatch(f"golden samples must record the manifest's {kind}")
    encoder = None
    if isinstance(manifest.spec, ClassifySpec):
        encoder = make_encoder(bundle.files[TOKENIZER_FILE].decode(), manifest.spec.max_tokens)
        _prove_tokenizer(encoder, golden)
    replay(golden, runtime.run)
    reference = None
    if isinstance(manifest.spec, ClassifySpec) and REFERENCE_FILE in bundle.files:
        reference = read_reference(manifest.spec, bundle.files[REFERENCE_FILE])
    return Proof(runtime, encoder, reference, _report(bundle))


def refusal(error: Exception) -> Rejected:
    """What an error raised by reading or proving a version says of it."""
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


def _prove_tokenizer(encoder: TextEncoder, golden: Golden) -> None:
    """Raises `GoldenMismatch` unless the recorded texts still become the recorded ids."""
    recorded = golden.inputs.get("ids")
    if not golden.texts or recorded is None:
        raise GoldenMismatch("golden samples of a classifier must record texts and ids")
    ids = encoder.encode_padded(golden.texts)
    if not np.array_equal(ids, recorded):
        raise GoldenMismatch("the tokenizer no longer gives the ids it was published with")
