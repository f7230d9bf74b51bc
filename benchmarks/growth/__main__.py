"""`python -m benchmarks.growth`: measures curves that the file of results lacks, or those that are named, anew.

What is measured is written curve by curve, so that a run that is stopped goes on where it was. `benchmarks.growth.plot`
draws them.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.growth import curves, models
from benchmarks.growth.plot import RESULTS
from benchmarks.serving.machine import machine
from benchmarks.serving.spread import spread
from benchmarks.serving.table import markdown

MODELS = "models"


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    names = [*curves.CURVES, MODELS]
    parser.add_argument("--curves", nargs="+", choices=names, metavar="CURVE", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of one point in one round")
    parser.add_argument("--output", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")
    document: dict[str, Any] = {"curves": {}}
    if chosen.output.exists():
        document = json.loads(chosen.output.read_text())
    for name in chosen.curves or [name for name in names if name not in document["curves"]]:
        if name == MODELS:
            curve = models.measure(chosen.rounds, chosen.seconds)
        else:
            curve = curves.measure(curves.CURVES[name], chosen.rounds, chosen.seconds)
        document["curves"][name] = {"machine": machine(), **curve}
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(json.dumps(document, indent=1))
    for name, curve in document["curves"].items():
        figures = {key: values for key, values in curve.items() if key not in {"machine", "axis", "unit", "at"}}
        lines = [
            [f"{at:,}", *(spread(values[index]).show(1) for values in figures.values())]
            for index, at in enumerate(curve["at"])
        ]
        unit = f", {curve['unit']}" if "unit" in curve else ""
        print(f"\n**{name}**{unit}\n\n{markdown((curve['axis'], *figures), lines)}")


if __name__ == "__main__":
    main()
