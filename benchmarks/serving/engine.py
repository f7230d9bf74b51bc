"""Tokeniser and onnxruntime alone, on one thread: what every server here has to do for a text."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer


class Engine:
    """One classifier, straight from the files of its bundle."""

    def __init__(self, bundle: Path) -> None:
        spec = json.loads((bundle / "manifest.json").read_text())["spec"]
        self._labels: list[str] = spec["labels"]
        self._tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(spec["max_tokens"])
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(str(bundle / "model.onnx"), options, providers=["CPUExecutionProvider"])

    @classmethod
    def from_environment(cls) -> "Engine":
        """The bundle whose folder `BENCH_BUNDLE` names."""
        return cls(Path(os.environ["BENCH_BUNDLE"]))

    def compute(self, texts: list[str]) -> np.ndarray:
        """Probabilities `[texts, classes]`."""
        rows = [self._tokenizer.encode(text).ids for text in texts]
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
        probabilities: np.ndarray = self._session.run(None, {"ids": ids})[0]
        return probabilities

    def answer(self, texts: list[str]) -> dict[str, Any]:
        """What `POST /classify` answers, as far as the files tell."""
        results = []
        for row in self.compute(texts).tolist():
            best = max(range(len(row)), key=row.__getitem__)
            scores = dict(zip(self._labels, row, strict=True))
            results.append({"label": self._labels[best], "score": row[best], "scores": scores, "truncated": False})
        return {"model": "bench", "version": 1, "results": results}
