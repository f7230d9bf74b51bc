"""What is measured: one way of serving a bundle, how it is started, and how it is spoken to.

A contender is a value of `Contender`, entered in a table (`contenders.CONTENDERS`, or a table of peers). The rest of
the benchmark starts it (`server`), asks it until it answers as onnxruntime alone does, and loads it (`wrk`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Rows = Sequence[str] | Sequence[Sequence[float]]
"""What one request carries: texts, or series of values, oldest first."""

Answers = list[str] | list[list[float]]
"""What it gets: the label of each text, or the median of the next steps of each series."""


@dataclass(frozen=True)
class Launch:
    """What a server is started for."""

    port: int
    workers: int
    """Processes that compute."""
    bundle: Path
    """`<store>/<name>/<version>`: the bundle that will be asked."""

    @property
    def model(self) -> str:
        """The bundle's name."""
        return self.bundle.parent.name

    @property
    def store(self) -> Path:
        """The folder the bundle was published in, with all others."""
        return self.bundle.parent.parent


@dataclass(frozen=True)
class Request:
    """One `POST`."""

    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Dialect:
    """How one kind of rows travels."""

    ask: Callable[[str, Rows], Request]
    """Name of the bundle and rows to a request."""
    read: Callable[[bytes], Answers]
    """Body of a 200 to one answer a row, in order. May raise anything: it isn't an answer then."""


def no_environment(_launch: Launch) -> dict[str, str]:
    """Nothing beside the benchmark's own environment."""
    return {}


@dataclass(frozen=True)
class Contender:
    """One way of serving a bundle."""

    name: str
    command: Callable[[Launch], list[str]]
    """Command line, run in the repository's root; the server stays in the foreground, its children in its group."""
    texts: Dialect | None
    series: Dialect | None = None
    """None: it can't do such rows."""
    environment: Callable[[Launch], dict[str, str]] = no_environment
    """Variables that are added to the benchmark's own."""
    computes: bool = True
    """False: it answers without a model, so its answers aren't compared with onnxruntime's."""
    patience_seconds: float = 30
    """Time from the process's start to its first right answer, at most."""

    def dialect(self, rows: Rows) -> Dialect | None:
        """How such rows travel; None if it can't do them."""
        return self.texts if isinstance(rows[0], str) else self.series


JSON_HEADERS = {"Content-Type": "application/json"}


def _ask_texts(model: str, texts: Rows) -> Request:
    inputs = texts[0] if len(texts) == 1 else list(texts)
    return Request("/classify", json.dumps({"model": model, "inputs": inputs}).encode(), JSON_HEADERS)


def _read_labels(body: bytes) -> Answers:
    results: list[dict[str, Any]] = json.loads(body)["results"]
    return [result["label"] for result in results]


def _ask_series(model: str, series: Rows) -> Request:
    own = {"values": series[0]} if len(series) == 1 else {"series": [{"values": values} for values in series]}
    return Request("/forecast", json.dumps({"model": model, **own}).encode(), JSON_HEADERS)


def _read_medians(body: bytes) -> Answers:
    forecasts: list[dict[str, Any]] = json.loads(body)["forecasts"]
    return [forecast["median"] for forecast in forecasts]


SEQSERVE_TEXTS = Dialect(_ask_texts, _read_labels)
SEQSERVE_SERIES = Dialect(_ask_series, _read_medians)
"""The service's own contract; servers written by hand for the benchmark speak it too."""
