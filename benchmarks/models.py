"""What a row costs in tokeniser and onnxruntime alone, one thread: every model of one or more stores, newest version.

All models take turns, round by round, so that stores can be compared: `python -m benchmarks.models [STORE …]`. Counted
is the processor's time, not the clock's, which others share. A series is encoded once, in advance; a text is tokenised
each time. `nodes` are those onnxruntime runs, its own rewriting done.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.manifest import MODEL_FILE
from bundle.store import Bundle, list_versions, read_bundle, version_folder
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TOKENIZER_FILE, TextEncoder, pad
from bundle.tasks.forecast.spec import ForecastSpec
from service.engine.runtime import Runtime
from service.tasks.forecast.encode import encode
from service.tasks.forecast.schema import SeriesInput

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read on import

import onnxruntime as ort

ROOT = Path(__file__).resolve().parents[1]
SHORT = "can you pick up some milk on the way home, and call me when you are there"
BATCHES = (1, 32)
TURN_SECONDS = 0.1

Feed = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Model:
    """One model of one store."""

    store: Path
    bundle: Bundle

    @property
    def name(self) -> str:
        """As it stands in the store."""
        return self.bundle.manifest.name

    def feeder(self, batch: int) -> Callable[[], Feed]:
        """What gives so many rows of input."""
        spec = self.bundle.manifest.spec
        if isinstance(spec, ClassifySpec):
            encoder = TextEncoder.of(self.bundle.files[TOKENIZER_FILE].decode(), spec)

            def tokenised() -> Feed:
                rows = [encoder.encode(text).ids for text in [SHORT] * batch]
                return {"ids": pad(rows, max(map(len, rows)))}

            return tokenised
        assert isinstance(spec, ForecastSpec)
        feed = dict(asyncio.run(encode([_series(spec)] * batch, spec, spec.horizon)).rows)
        return lambda: feed

    def profile(self, batch: int, num_runs: int = 30) -> tuple[int, Counter[str]]:
        """Nodes run, and microseconds of a run by kind of node."""
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level, options.enable_profiling = 1, 3, True
        feed = self.feeder(batch)()
        with tempfile.TemporaryDirectory() as folder:
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = ort.InferenceSession(self.bundle.files[MODEL_FILE], options, providers=["CPUExecutionProvider"])
            for _ in range(num_runs):
                session.run(None, feed)
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        kernels = [event for event in events if event["name"].endswith("_kernel_time")]
        spent: Counter[str] = Counter()
        for event in kernels:
            spent[event["args"]["op_name"]] += event["dur"]
        return len(kernels) // num_runs, spent


def main() -> None:
    """Print a table: median of the rounds and their spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="*", type=Path, default=[ROOT / "models_store"], metavar="STORE")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", metavar="TEXT", help="models whose names contain it")
    chosen = parser.parse_args()
    models = [
        Model(store, read_bundle(version_folder(store, name, versions[-1])))
        for store in chosen.stores
        for name, versions in sorted(list_versions(store).items())
        if chosen.only in name
    ]
    turns = {(place, batch): _turn(model, batch) for place, model in enumerate(models) for batch in BATCHES}
    spent: dict[tuple[int, int], list[float]] = {turn: [] for turn in turns}
    for _ in range(chosen.rounds):
        for turn, take in turns.items():
            spent[turn].append(take())
    print(f"{'µs a row':26} {'version':>7} {'batch 1':>20} {'batch 32':>20} {'nodes':>6}  most of the time at batch 32")
    for place in sorted(range(len(models)), key=lambda place: models[place].name):
        model = models[place]
        cells = [_summary(spent[place, batch]) for batch in BATCHES]
        nodes, kinds = model.profile(BATCHES[-1])
        shares = ", ".join(f"{kind} {duration / kinds.total():.0%}" for kind, duration in kinds.most_common(4))
        print(f"{model.name:26} {model.bundle.manifest.version:7} {cells[0]:>20} {cells[1]:>20} {nodes:6}  {shares}")
    for place, model in enumerate(models):
        first = next(other for other in range(len(models)) if models[other].name == model.name)
        if first != place:
            ratios = [_ratios(spent[place, batch], spent[first, batch]) for batch in BATCHES]
            print(f"{model.name}, {model.store} / {models[first].store}: batch 1 {ratios[0]}, batch 32 {ratios[1]}")


def _turn(model: Model, batch: int) -> Callable[[], float]:
    """One turn, in microseconds of the processor a row."""
    manifest = model.bundle.manifest
    runtime = Runtime(model.bundle.files[MODEL_FILE], manifest.inputs, manifest.outputs)
    feeder = model.feeder(batch)
    runtime.run(feeder())

    def take() -> float:
        runs, started = 0, time.thread_time()
        while (spent := time.thread_time() - started) < TURN_SECONDS:
            runtime.run(feeder())
            runs += 1
        return spent / (runs * batch) * 1e6

    return take


def _series(spec: ForecastSpec) -> SeriesInput:
    """As long as the model reads, with a week in it."""
    values: list[float | None] = [500_000.0 + 30_000 * (step % 7) + 10 * step for step in range(spec.context_length)]
    past: dict[str, list[float | None]] = {covariate.name: values for covariate in spec.past_covariates}
    return SeriesInput(values=values, start="2018-01-01", freq=spec.freq or "D", past_covariates=past)


def _summary(figures: list[float]) -> str:
    return f"{statistics.median(figures):.0f} ({min(figures):.0f} to {max(figures):.0f})"


def _ratios(figures: list[float], beside: list[float]) -> str:
    """Of two models round by round."""
    ratios = [own / other for own, other in zip(figures, beside, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
