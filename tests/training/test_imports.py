"""What the command line imports: fitting needs no experiment, no comparison, no statistical baselines."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_FOR_FIT = ("training.experiments", "training.compare", "statsforecast", "jinja2")


def test_fit_imports_what_it_needs() -> None:
    code = "import json, sys, training.__main__; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    imported = json.loads(ran.stdout)
    assert "training.commands" in imported
    assert [name for name in imported if name.startswith(NOT_FOR_FIT)] == []
