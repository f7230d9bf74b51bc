"""Coverage-guided fuzzing of all that parses: bodies of requests, and every file of a bundle."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.prove.mutations import SEEDS
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import ROOT, SHIPPED
from tests.prove.targets import SEPARATOR, TARGETS

SABOTAGE = "a parser has a defect"
BUNDLES = ("spam-cnn/4", "forecast-cnn/3")


def prove(run: Run) -> Outcome:
    """Each target for a while, from sound inputs on. `--guided-seconds` says how long in all."""
    if importlib.util.find_spec("atheris") is None:
        return Outcome(
            [Measure("targets fuzzed", 0, at_least=len(TARGETS))],
            ["not tried: Atheris is not installed; it is where Python is 3.11 to 3.13 on Linux"],
        )
    names = list(TARGETS)[:: run.count(1, 3)]
    seconds = 1 if run.quick else max(1, round(run.guided_seconds / len(names)))
    runs, found = 0, []
    for number, name in enumerate(names):
        corpus = run.folder / f"corpus-{number}"
        corpus.mkdir()
        for index, seed in enumerate(_seeds(name)):
            (corpus / str(index)).write_bytes(seed)
        ran = subprocess.run(
            [sys.executable, "-m", "tests.prove.atheris_run", name, str(seconds), str(corpus)],
            cwd=ROOT,
            env=os.environ | ({"PROVE_FAULT": "defect"} if run.sabotaged else {}),
            capture_output=True,
            text=True,
            errors="replace",
        )
        told = re.search(r"^Done (\d+) runs", ran.stdout + ran.stderr, re.MULTILINE)
        runs += int(told[1]) if told else 0
        if ran.returncode or not told:
            found.append(f"{name}: {_what(ran.stdout + ran.stderr)}")
    return Outcome(
        [
            Measure("targets fuzzed", len(names), at_least=run.count(7, 3)),
            Measure("inputs tried", runs, at_least=seconds * len(names) * 50),
            none_of("targets that raised what is not foreseen, hung, or took 2 GB", len(found)),
        ],
        found,
    )


def _seeds(name: str) -> list[bytes]:
    """Sound inputs of a target."""
    if name.startswith("body of "):
        return [json.dumps(body).encode() for path, body in SEEDS if path == name.removeprefix("body of ")]
    folders = [SHIPPED / bundle for bundle in BUNDLES]
    match name:
        case "manifest":
            return [_short_manifest(folder) for folder in folders]
        case "golden":
            return [(folder / "golden.npz").read_bytes() for folder in folders]
        case "tokenizer":
            tokenizer = json.loads((folders[0] / "tokenizer.json").read_text("utf-8"))
            return [json.dumps(_few_words(tokenizer)).encode()]
        case _:
            return [SEPARATOR.join([_short_manifest(folders[0]), b"", b"", b"{}", b"{}"])]


def _short_manifest(folder: Path) -> bytes:
    document = json.loads((folder / "manifest.json").read_text("utf-8"))
    return json.dumps({**document, "metrics": {}, "recipe": {}, "libraries": {}, "calibration": {}}).encode()


def _few_words(tokenizer: dict[str, object]) -> dict[str, object]:
    """A vocabulary that a fuzzer gets through."""
    model = tokenizer["model"]
    assert isinstance(model, dict)
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {word: code for word, code in vocabulary.items() if code < 40}
        model["merges"] = []
    else:
        model["vocab"] = vocabulary[:40]
    return tokenizer


def _what(printed: str) -> str:
    """The exception, or libFuzzer's own word for it."""
    _, told, what = printed.partition("=== Uncaught Python exception: ===")
    return (what if told else printed[-300:]).strip().partition("\n")[0][:300]
