"""Schemathesis over the whole OpenAPI document: all checks; examples, coverage, fuzzing and stateful links."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.prove import faults
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import Service, copy_store

SABOTAGE = "one answer becomes a 500"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def prove(run: Run) -> Outcome:
    """Hundreds of cases an operation, or a few."""
    report = run.folder / "report.json"
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(Service(run.folder, copy_store(run.folder, "spam-cnn", "forecast-cnn")))
        port = service.port
        if run.sabotaged:
            port = stack.enter_context(faults.Proxy(port, faults.once(faults.status_500))).port
        command = f"--config-file {CONFIGURATION} run http://127.0.0.1:{port}/openapi.json --checks all --no-color"
        limits = (
            f"--max-examples {run.count(400, 4)} --seed {run.seed} --generation-database none --continue-on-failure"
        )
        told = f"--no-shrink --report json --report-json-path {report}"
        ran = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", *command.split(), *limits.split(), *told.split()],
            cwd=run.folder,
            env=os.environ | {"PYTHONPATH": str(CONFIGURATION.parent)},  # its hooks
            capture_output=True,
            text=True,
        )
    if not report.exists():
        raise RuntimeError(f"Schemathesis broke off:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    found = json.loads(report.read_text())
    cases, operations = found["test_cases"], found["operations"]
    failures = [f"{one['title']}: {', '.join(one['operations'])}" for one in found["failures"]]
    return Outcome(
        [
            Measure("requests", cases["generated"], at_least=run.count(3_000, 300)),
            Measure("operations tested, of all", operations["tested"] / operations["total"], at_least=1),
            none_of("failed checks", cases["unique_failures"] + cases["errored"] + len(found["errors"])),
            none_of("unforeseen exceptions in the log", service.num_tracebacks()),
        ],
        failures,
    )
