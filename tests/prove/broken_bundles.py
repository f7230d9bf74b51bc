"""Every kind of broken bundle, by name: refused with its reason, while the last good version goes on answering."""

import contextlib
import json
import shutil
import time
from pathlib import Path

from bundle.store import version_folder
from tests.prove.checked_requests import AnswerChecker, random_requests
from tests.prove.load import Load
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import SHIPPED, Service, copy_store, publish_copy
from tests.support.broken_bundles import BROKEN

SABOTAGE = "one of them is not broken, and takes over as a broken one would from a service that doesn't look"
NAME, GOOD = "spam-cnn", 4
PATIENCE_SECONDS = 60


def prove(run: Run) -> Outcome:
    """All kinds, one after the other, as ever newer versions."""
    store = copy_store(run.folder, NAME)
    good = run.folder / "good"
    shutil.copytree(SHIPPED / NAME / str(GOOD), good)
    checker = AnswerChecker()
    checker.published(NAME, GOOD, good)
    wrong: list[str] = []
    kinds = [(name, kind) for name, kind in BROKEN.items() if not (run.quick and kind.is_trial)]
    kinds = kinds[:: run.count(1, 6)]
    with (
        Service(run.folder, store, store_poll_seconds=0.1) as service,
        Load(
            service.port, random_requests(["spam"], 50, run.seed), clients=2, pause_seconds=0.02, fault=checker.fault
        ) as load,
    ):
        for number, (name, kind) in enumerate(kinds):
            version = GOOD + 1 + number
            aside = run.folder / "aside"  # damaged where the service doesn't look, then renamed into place
            made = publish_copy(aside, good, NAME, version)
            if not (run.sabotaged and number == len(kinds) // 2):
                kind.damage(made)
            version_folder(aside, NAME, version).rename(version_folder(store, NAME, version))
            said = _refusal(service, version)
            if said is None or kind.reason not in said:
                wrong.append(f"{name}: {'served, or never looked at' if said is None else said}, not {kind.reason!r}")
            if json.loads(service.get(f"/models/{NAME}")[1])["version"] != GOOD:
                wrong.append(f"{name}: version {GOOD} is not what answers")
                _remove(store, version)
        ready = service.get("/readyz")[0] == 200
    return Outcome(
        [
            Measure("kinds of broken bundle", len(kinds), at_least=run.count(20, 8)),
            none_of("not refused, or not for their reason, or in the way of the good version", len(wrong)),
            Measure("requests meanwhile", load.num_answered, at_least=run.count(1000, 100)),
            none_of("of them without the good version's right answer", _not_right(load)),
            Measure("ready at the end", ready, at_least=1),
        ],
        [*wrong, *load.faults[:3], "the kinds: " + "; ".join(name for name, _ in kinds)],
    )


def _not_right(load: Load) -> int:
    return len(load.faults) + len(load.failures) + load.num_answered - load.statuses[200]


def _refusal(service: Service, version: int) -> str | None:
    """The reason that `GET /models` gives; None if there is none yet when patience ends."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        listed = json.loads(service.get("/models")[1])
        for refused in listed["refused"]:
            if (refused["name"], refused["version"]) == (NAME, version):
                return str(refused["reason"])
        if json.loads(service.get(f"/models/{NAME}")[1])["version"] == version:
            return None
        time.sleep(0.05)
    return None


def _remove(store: Path, version: int) -> None:
    folder = version_folder(store, NAME, version)
    with contextlib.suppress(OSError):
        folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
