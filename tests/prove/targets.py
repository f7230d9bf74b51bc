"""What a coverage-guided fuzzer calls: bytes in, and nothing raised but what is foreseen.

The targets are the body parsers with the request models, and the readers of each file of a bundle.
"""

import functools
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from bundle.golden import Golden, GoldenMismatch
from bundle.manifest import Manifest
from bundle.store import BundleError, list_versions, read_aliases, read_bundle
from bundle.tasks.classify.text import TextEncoder
from service.errors import Invalid, NotJSON
from service.http import json_text
from service.http.schema import RequestModel
from service.tasks.classify.schema import ClassifyRequest
from service.tasks.forecast.actuals import OutcomesRequest
from service.tasks.forecast.schema import ForecastRequest

REQUESTS: Mapping[str, type[RequestModel]] = MappingProxyType(
    {"classify": ClassifyRequest, "forecast": ForecastRequest, "outcomes": OutcomesRequest}
)


SEPARATOR = b"\0\xff\0\xff"
"""Between the files of a folder that one input stands for."""


def read_request(kind: type[RequestModel], body: bytes) -> None:
    """Both ways of reading a body: what the quick one takes, the slow one must take for the same."""
    quick: RequestModel | None = None
    with suppress(ValidationError):
        quick = kind.model_validate_json(body)
    try:
        document = json_text.parse(body)
        kind.refuse_unknown_keys(document)
        slow = kind.model_validate(document)
    except (NotJSON, Invalid, ValidationError) as refusal:
        # Digits beyond what a float holds are an integer to one, infinite to the other, and over every limit to both.
        if quick is not None and not re.search(rb"\d{310}", body):
            raise RuntimeError("quickly taken, slowly refused") from refusal
        return
    assert quick is None or quick == slow, "the two ways of reading a body differ"


def read_files(data: bytes) -> None:
    """A folder of a store: its files, one after the other, as many as the bytes divide into."""
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        store = Path(folder)
        version = store / "spam" / "1"
        version.mkdir(parents=True)
        names = ("manifest.json", "model.onnx", "golden.npz", "tokenizer.json", "reference.json")
        for name, content in zip(names, data.split(SEPARATOR), strict=False):
            (version / name).write_bytes(content)
        (store / "aliases.json").write_bytes(data)
        for read in (read_aliases, list_versions, lambda store: read_bundle(store / "spam" / "1")):
            with suppress(BundleError):
                read(store)


def read_manifest(data: bytes) -> None:
    """`manifest.json`."""
    with suppress(ValidationError):
        Manifest.model_validate_json(data)


def read_golden(data: bytes) -> None:
    """`golden.npz`."""
    with suppress(GoldenMismatch):
        Golden.from_bytes(data)


def read_tokenizer(data: bytes) -> None:
    """`tokenizer.json`, and a text for it."""
    with suppress(UnicodeDecodeError, ValueError):
        TextEncoder(data.decode(), 16).encode("a text, of words")


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {
        **{f"body of /{name}": functools.partial(read_request, kind) for name, kind in REQUESTS.items()},
        "store": read_files,
        "manifest": read_manifest,
        "golden": read_golden,
        "tokenizer": read_tokenizer,
    }
)


def _memory_folder() -> str | None:
    """Where files cost no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
