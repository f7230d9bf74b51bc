"""Tokeniser and onnxruntime alone, on one thread: what every server here has to do for a text or a series.

Straight from the files of a bundle, with nothing of the service's own code.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Tokenizer

from benchmarks.serving.contender import Answers, Rows

HORIZON = 1
"""Steps that a request for a forecast gets when it names no horizon."""
INTERVALS = {"80": (0.1, 0.9), "95": (0.025, 0.975)}
"""Ends of the intervals it gets, as levels that the shipped forecasters have."""


class Engine(Protocol):
    """One model."""

    def compute(self, rows: Any) -> NDArray[np.float32]:
        """What the graph answers to texts or series, one entry a row."""

    def answer(self, rows: Any) -> dict[str, Any]:
        """What the service's route answers, as far as the files tell."""

    def right(self, rows: Rows) -> Answers:
        """Label or median of each row, for comparison."""


def engine(bundle: Path) -> Engine:
    """The model of a bundle's folder."""
    spec = json.loads((bundle / "manifest.json").read_text("utf-8"))["spec"]
    return TextEngine(bundle, spec) if spec["task"] == "classify" else SeriesEngine(bundle, spec)


def from_environment() -> Engine:
    """The model of the folder that `BENCH_BUNDLE` names."""
    return engine(Path(os.environ["BENCH_BUNDLE"]))


def _session(bundle: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(bundle / "model.onnx"), options, providers=["CPUExecutionProvider"])


class TextEngine:
    """A classifier."""

    def __init__(self, bundle: Path, spec: dict[str, Any]) -> None:
        self._labels: list[str] = spec["labels"]
        self._tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(spec["max_tokens"])
        self._session = _session(bundle)

    def compute(self, rows: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities `[texts, classes]`."""
        encoded = [self._tokenizer.encode(text).ids for text in rows]
        ids = np.zeros((len(encoded), max(map(len, encoded))), dtype=np.int64)
        for index, row in enumerate(encoded):
            ids[index, : len(row)] = row
        probabilities: NDArray[np.float32] = self._session.run(None, {"ids": ids})[0]
        return probabilities

    def answer(self, rows: Sequence[str]) -> dict[str, Any]:
        """As `POST /classify`."""
        results = []
        for row in self.compute(rows).tolist():
            best = max(range(len(row)), key=row.__getitem__)
            scores = dict(zip(self._labels, row, strict=True))
            results.append({"label": self._labels[best], "score": row[best], "scores": scores, "truncated": False})
        return {"model": "bench", "version": 1, "results": results}

    def right(self, rows: Any) -> Answers:
        """Labels."""
        return [self._labels[best] for best in self.compute(rows).argmax(axis=1)]


class SeriesEngine:
    """A forecaster; covariates and spacing are treated as missing."""

    def __init__(self, bundle: Path, spec: dict[str, Any]) -> None:
        self._context: int = spec["context_length"]
        self._past: list[str] = [f"past_{covariate['name']}" for covariate in spec["past_covariates"]]
        self._future: list[str] = [f"future_{covariate['name']}" for covariate in spec["future_covariates"]]
        self._num_steps: int = self._context + spec["horizon"]
        self._has_freq: bool = spec["freq"] is None
        levels: list[float] = spec["quantile_levels"]
        self._median = levels.index(0.5)
        self._ends = {name: (levels.index(low), levels.index(high)) for name, (low, high) in INTERVALS.items()}
        self._session = _session(bundle)

    def arrays(self, rows: Sequence[Sequence[float]]) -> dict[str, NDArray[Any]]:
        """What the graph reads."""
        history = np.full((len(rows), self._context), np.nan, dtype=np.float32)
        for index, values in enumerate(rows):
            newest = values[-self._context :]
            history[index, -len(newest) :] = newest
        arrays: dict[str, NDArray[Any]] = {"history": history}
        arrays |= {name: np.full_like(history, np.nan) for name in self._past}
        arrays |= {name: np.zeros((len(rows), self._num_steps), dtype=np.int64) for name in self._future}
        if self._has_freq:
            arrays["freq"] = np.zeros((len(rows), 1), dtype=np.int64)
        return arrays

    def run(self, arrays: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Quantiles `[series, horizon, levels]`."""
        quantiles: NDArray[np.float32] = self._session.run(None, arrays)[0]
        return quantiles

    def compute(self, rows: Sequence[Sequence[float]]) -> NDArray[np.float32]:
        """Quantiles `[series, horizon, levels]`."""
        return self.run(self.arrays(rows))

    def answer(self, rows: Sequence[Sequence[float]]) -> dict[str, Any]:
        """As `POST /forecast`."""
        forecasts = []
        for steps in self.compute(rows)[:, :HORIZON].transpose(0, 2, 1).tolist():
            intervals = {name: {"lower": steps[low], "upper": steps[high]} for name, (low, high) in self._ends.items()}
            forecasts.append({"median": steps[self._median], "intervals": intervals, "warnings": []})
        return {"model": "bench", "version": 1, "horizon": HORIZON, "forecasts": forecasts}

    def right(self, rows: Any) -> Answers:
        """Medians of the first steps."""
        medians: list[list[float]] = self.compute(rows)[:, :HORIZON, self._median].tolist()
        return medians
