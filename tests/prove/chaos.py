"""Chaos: workers killed and frozen, versions swapped, files corrupted, the disk full, the clock skewed.

Every answer is compared: right, or refused with a reason; there is no third. A request in the hands of a process that
is killed can't be answered; those are told from all others by when they were under way.
"""

import contextlib
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.serving.preload import preloaded
from bundle.store import ALIASES_FILE, set_alias, version_folder
from tests.prove import faults
from tests.prove.checked_requests import AnswerChecker, random_requests
from tests.prove.load import Failure, Load
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import SHIPPED, Service, copy_store, publish_copy

SABOTAGE = "one probability on its way to the client becomes another"
TEXTS = ("spam-cnn", "spam-rnn", "spam-wavenet")
BUNDLES = (*TEXTS, "forecast-cnn", "ridership-cnn")
DISK_BYTES = 64 * 1024 * 1024
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
CLOCKS = ("+0", "+40d", "-3h", "+3600d", "-30s")
GRACE_SECONDS = 3
"""After a worker was killed or let go on: by then all that it had in hand has failed."""


@dataclass(frozen=True)
class Interruption:
    """A worker was killed or stood still."""

    began: float
    ended: float
    """When the last of it can be felt; both as `time.monotonic` has it."""
    clients: set[int]
    """Local ports of those whose connections it had."""

    def explains(self, failure: Failure) -> bool:
        """Whether it was this worker that had the request in hand, and then."""
        return failure.local_port in self.clients and failure.sent < self.ended and failure.failed > self.began


class Scene:
    """A service on a disk of its own, and what can happen to it."""

    def __init__(self, run: Run, disk: Path, sources: Path, checker: AnswerChecker) -> None:
        self.disk = disk
        self.store = disk / "store"
        self.sources = sources
        self.checker = checker
        self.drawn = random.Random(run.seed)
        self.version = 100
        self.longest_freeze_seconds = run.least(15, 2)
        self.clock = run.folder / "clock"
        self.clock.write_text("+0")
        (disk / "tmp").mkdir()
        self.service = Service(run.folder, self.store, workers=2)
        self.interruptions: list[Interruption] = []

    def environment(self) -> dict[str, str]:
        """Of the service: temporary files on the small disk, and a clock that can be set."""
        temporary = {"TMPDIR": str(self.disk / "tmp")}
        if not FAKETIME.exists():
            return temporary
        return temporary | {
            "LD_PRELOAD": f"{FAKETIME} {(os.environ | preloaded()).get('LD_PRELOAD', '')}",
            "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # as when an operator, or NTP, sets the clock
        }

    def kill(self) -> None:
        """SIGKILL to a worker."""
        worker = self.drawn.choice(self.service.workers())
        began = time.monotonic()
        worker.suspend()  # it takes no more connections, so that those it has are known
        clients = self.service.clients_of(worker)
        worker.kill()
        self.interruptions.append(Interruption(began, began + GRACE_SECONDS, clients))
        time.sleep(1)

    def freeze(self) -> None:
        """A worker stands still for some seconds; whoever minds it may replace it."""
        worker = self.drawn.choice(self.service.workers())
        began = time.monotonic()
        worker.suspend()
        clients = self.service.clients_of(worker)
        time.sleep(self.drawn.uniform(0.5, self.longest_freeze_seconds))
        with contextlib.suppress(psutil.NoSuchProcess):  # it may have been replaced
            worker.resume()
        self.interruptions.append(Interruption(began, time.monotonic() + GRACE_SECONDS, clients))

    def swap(self) -> None:
        """A new version under a name whose answers are another bundle's."""
        self.version += 1
        source = self.sources / self.drawn.choice(TEXTS)
        self.checker.published("spam-cnn", self.version, source)
        publish_copy(self.store, source, "spam-cnn", self.version)

    def promote(self) -> None:
        """An alias means another bundle."""
        set_alias(self.store, "spam", self.drawn.choice(TEXTS))

    def publish_broken(self) -> None:
        """A new version with some bytes of its graph changed."""
        self.version += 1
        aside = self.disk / "aside"
        made = publish_copy(aside, self.sources / "spam-cnn", "spam-cnn", self.version)
        self._spoil(made / self.drawn.choice(["model.onnx", "tokenizer.json", "golden.npz", "manifest.json"]))
        made.rename(version_folder(self.store, "spam-cnn", self.version))

    def spoil_served(self) -> None:
        """Bytes of a version that may be what answers change on the disk."""
        versions = sorted(int(found.name) for found in (self.store / "spam-cnn").iterdir())
        folder = version_folder(self.store, "spam-cnn", versions[-1])
        self._spoil(folder / self.drawn.choice(["model.onnx", "tokenizer.json", "manifest.json"]))

    def spoil_aliases(self) -> None:
        """`aliases.json` is no JSON for a while."""
        path = self.store / ALIASES_FILE
        kept = path.read_bytes()
        path.write_bytes(kept[: len(kept) // 2])
        time.sleep(1.5)
        path.write_bytes(kept)

    def fill_disk(self) -> None:
        """No byte is left, and somebody publishes: that fails, and is not seen."""
        filler = self.disk / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))
        self.version += 1
        self.checker.published("spam-cnn", self.version, self.sources / "spam-rnn")
        with contextlib.suppress(OSError):
            publish_copy(self.store, self.sources / "spam-rnn", "spam-cnn", self.version)
        time.sleep(1.5)
        filler.unlink()
        shutil.rmtree(self.store / f".unfinished-spam-cnn-{self.version}", ignore_errors=True)

    def skew_clock(self) -> None:
        """The wall clock jumps, by seconds or years, forward or back."""
        self.clock.write_text(self.drawn.choice(CLOCKS))
        time.sleep(1)

    def tidy(self) -> None:
        """Older versions are removed; the newest and the shipped ones stay."""
        versions = sorted(int(found.name) for found in (self.store / "spam-cnn").iterdir())
        for version in versions[1:-3]:
            shutil.rmtree(version_folder(self.store, "spam-cnn", version), ignore_errors=True)

    def _spoil(self, path: Path) -> None:
        content = bytearray(path.read_bytes())
        for _ in range(8):
            content[self.drawn.randrange(len(content))] ^= 1 << self.drawn.randrange(8)
        path.write_bytes(content)


def prove(run: Run) -> Outcome:
    """A minute and a half of it, each kind of event several times."""
    checker, notes = AnswerChecker(), []
    sources = run.folder / "sources"
    for name in BUNDLES:
        (shipped,) = (SHIPPED / name).iterdir()
        shutil.copytree(shipped, sources / name)
        checker.published(name, int(shipped.name), sources / name)
    happened: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        disk = run.folder / "disk"
        disk.mkdir()
        is_small = stack.enter_context(_small_disk(disk))
        copy_store(disk, *BUNDLES)
        scene = Scene(run, disk, sources, checker)
        events: Mapping[str, Callable[[], None]] = {
            "worker killed": scene.kill,
            "worker frozen": scene.freeze,
            "version swapped": scene.swap,
            "alias promoted": scene.promote,
            "broken version published": scene.publish_broken,
            "served files corrupted": scene.spoil_served,
            "aliases corrupted": scene.spoil_aliases,
            "disk full": scene.fill_disk,
            "clock skewed": scene.skew_clock,
        }
        possible = list(events)
        if not is_small:
            possible.remove("disk full")
            notes.append("a full disk can't be tried: mounting a small one needs root")
        if not FAKETIME.exists():
            possible.remove("clock skewed")
            notes.append("a skewed clock can't be tried: libfaketime is not installed (apt-get install faketime)")
        scene.service.start(**scene.environment())
        stack.callback(scene.service.stop)
        port = scene.service.port
        asked = random_requests(["spam", "spam-cnn", "forecast", "ridership-cnn"], run.count(400, 60), run.seed)
        load = stack.enter_context(Load(port, asked, clients=8, pause_seconds=0.002, fault=checker.fault))
        deceived = load
        if run.sabotaged:  # clients of their own, so that only what they are told can turn it red
            proxy = stack.enter_context(faults.Proxy(port, faults.once(faults.another_score)))
            deceived = stack.enter_context(Load(proxy.port, asked, clients=2, pause_seconds=0.002, fault=checker.fault))
        load.wait_for(200)
        order: list[str] = []
        rounds = run.count(5, 1)
        for _ in range(rounds):
            order += scene.drawn.sample(possible, len(possible))
        timeline: list[tuple[float, str]] = []
        for name in order:
            happened[name] += 1
            timeline.append((time.monotonic(), name))
            events[name]()
            scene.tidy()
            time.sleep(run.least(1, 0.3))
        ready = _gets_ready(scene.service)
    wrong = load.faults if deceived is load else load.faults + deceived.faults
    unexplained = [
        failure for failure in load.failures if not any(one.explains(failure) for one in scene.interruptions)
    ]
    return Outcome(
        [
            Measure("faults put in", happened.total(), at_least=rounds * len(possible)),
            Measure("kinds of fault", len(happened), at_least=run.least(len(events), len(events) - 2)),
            Measure("answers compared with onnxruntime alone", load.statuses[200], at_least=run.count(2_000, 200)),
            none_of("wrong answers, and refusals without a reason", len(wrong)),
            none_of("requests unanswered that no killed or frozen process had in hand", len(unexplained)),
            Measure("ready again at the end", ready, at_least=1),
        ],
        [
            *notes,
            ", ".join(f"{name} {count}×" for name, count in happened.items()),
            f"statuses {dict(load.statuses)}; unanswered in the hands of killed or frozen processes: "
            f"{len(load.failures) - len(unexplained)}",
            *wrong[:3],
            *(f"{failure.how} after: {_latest(timeline, failure.failed)}" for failure in unexplained[:3]),
        ],
    )


def _latest(timeline: list[tuple[float, str]], moment: float) -> str:
    """The events before a moment, the last first, each with how long before."""
    before = [f"{name} ({moment - since:.1f} s)" for since, name in reversed(timeline) if since <= moment]
    return ", ".join(before[:3])


def _gets_ready(service: Service) -> bool:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if service.get("/readyz")[0] == 200:
                return True
        time.sleep(0.2)
    return False


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A file system that can be filled; says whether it could be had."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], capture_output=True
    )
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
