"""`make prove`: keep every promise of docs/reliability.md, and say so in one table and in `prove.json`.

python -m tests.prove                        all of them
python -m tests.prove chaos soak             these; the others' lines in prove.json stay
SABOTAGE=chaos python -m tests.prove         break this one on purpose: its line must turn red
"""

import argparse
import importlib
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.prove.promise import Outcome, Promise, none_of, read, table, write
from tests.prove.run import Run


class Trial(Protocol):
    """What each module named in `PROMISES` holds."""

    SABOTAGE: str
    """What is done to break the promise, in words."""

    @staticmethod
    def prove(run: Run) -> Outcome:
        """Try it, and count."""


PROMISES: Mapping[str, str] = {
    "fuzzed-requests": "fuzz",
    "openapi-document": "schemas",
    "raw-sockets": "sockets",
    "guided-fuzzing": "guided",
    "broken-bundles": "broken_bundles",
    "hot-swaps": "swaps",
    "sigterms": "sigterms",
    "killed-workers": "killed",
    "rollover": "rollover",
    "overload": "overload",
    "chaos": "chaos",
    "soak": "soak",
}
"""Name of a promise -> module of this package that shows it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is named; 0 if all of it is kept."""
    chosen = command_line().parse_args(arguments)
    sabotage = os.environ.get("SABOTAGE") or None
    if unknown := {*chosen.promises, *([sabotage] if sabotage else [])} - PROMISES.keys():
        print(f"{', '.join(sorted(unknown))}: no such promise; there are {', '.join(PROMISES)}", file=sys.stderr)
        return 2
    names = chosen.promises or ([sabotage] if sabotage else list(PROMISES))
    earlier = read(chosen.out) if names != list(PROMISES) else []
    promises: list[Promise] = []
    for name in names:
        trial: Trial = importlib.import_module(f"tests.prove.{PROMISES[name]}")  # type: ignore[assignment]
        if name == sabotage:
            print(f"{name}: broken on purpose: {trial.SABOTAGE}", file=sys.stderr)
        began = time.monotonic()
        promises.append(attempt(name, trial, chosen, sabotaged=name == sabotage))
        took = time.monotonic() - began
        print(f"{name}: {'kept' if promises[-1].kept else 'NOT KEPT'}, {took:.0f} s", file=sys.stderr, flush=True)
        write(chosen.out, promises, earlier)  # after each: a run that is stopped leaves what it has
    print(table(promises))
    return 0 if all(promise.kept for promise in promises) else 1


def attempt(name: str, trial: Trial, chosen: argparse.Namespace, *, sabotaged: bool) -> Promise:
    """One promise; a trial that breaks off keeps none."""
    with tempfile.TemporaryDirectory(prefix=f"prove-{name}-", ignore_cleanup_errors=True) as folder:
        run = Run(Path(folder), chosen.quick, sabotaged, chosen.soak_seconds, chosen.guided_seconds, chosen.seed)
        try:
            outcome = trial.prove(run)
        except Exception:
            traceback.print_exc()
            return Promise(name, [none_of("trials that broke off", 1)])
        return Promise(name, outcome.measures, outcome.notes)


def command_line() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("promises", nargs="*", metavar="PROMISE", help=f"of {', '.join(PROMISES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="smaller counts, under two minutes in all, for CI")
    parser.add_argument("--out", type=Path, default=Path("prove.json"), help="default: %(default)s")
    parser.add_argument("--soak-seconds", type=float, default=60, help="default: %(default)g; an hour is 3600")
    parser.add_argument(
        "--guided-seconds", type=float, default=140, help="of coverage-guided fuzzing; default: %(default)g"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn; default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
