"""The sandbox: a version has its self-test in a process of its own, and whatever it does there stays there."""

import asyncio
import signal
import sys
from pathlib import Path

import psutil
import pytest

from bundle.store import read_bundle, version_folder
from service.catalog import sandbox
from service.catalog.rejected import Rejected
from service.catalog.sandbox import Passed
from tests.support.retry import retry_until


def tried(folder: Path, memory_bytes: int = 2**28, seconds: float = 10) -> Passed | Rejected:
    return asyncio.run(sandbox.test_in_sandbox(folder, memory_bytes=memory_bytes, seconds=seconds))


@pytest.mark.parametrize("name", ["spam-cnn", "ridership-wavenet"])
def test_sound_version_passes_and_is_known_by_its_digest(tiny_store: Path, name: str) -> None:
    folder = version_folder(tiny_store, name, 1)
    assert tried(folder) == Passed(read_bundle(folder).digest)


def test_version_that_needs_more_memory_or_is_not_there_is_refused(tiny_store: Path, tmp_path: Path) -> None:
    outcome = tried(version_folder(tiny_store, "spam-cnn", 1), memory_bytes=2**20)
    assert isinstance(outcome, Rejected)
    assert outcome.why == "memory"
    assert "more than 1 MiB of memory" in outcome.reason
    missing = Rejected("can't be read: No such file or directory", "unreadable")
    assert tried(tmp_path / "nothing" / "1") == missing


@pytest.mark.parametrize(
    ("program", "reason", "why"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "it crashed … (SIGSEGV)", "crash"),
        ("import os; os.abort()", "it crashed … (SIGABRT)", "crash"),
        ("import sys; sys.exit(3)", "it crashed … (exit status 3)", "crash"),
        ("print('all is well')", "it crashed … (exit status 0)", "crash"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "something killed …", "killed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "its self-test took more than 10 seconds", "time"),
    ],
)
def test_what_ends_its_process_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, reason: str, why: str
) -> None:
    monkeypatch.setattr("service.catalog.sandbox._command", lambda *_: [sys.executable, "-c", program])
    outcome = tried(tmp_path)
    assert isinstance(outcome, Rejected)
    assert reason in outcome.reason.replace("the sandbox", "…")
    assert outcome.why == why


SLEEPER = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"


def test_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "service.catalog.sandbox._command", lambda *_: [sys.executable, "-c", SLEEPER, str(tmp_path / "pid")]
    )
    monkeypatch.setattr("service.catalog.sandbox._START_SECONDS", 0.5)
    outcome = tried(tmp_path, seconds=0.1)
    assert isinstance(outcome, Rejected)
    assert outcome.why == "time"
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_stop_of_the_service_ends_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    monkeypatch.setattr("service.catalog.sandbox._command", lambda *_: [sys.executable, "-c", SLEEPER, str(note)])

    async def stop_meanwhile() -> None:
        trial = asyncio.create_task(sandbox.test_in_sandbox(tmp_path, memory_bytes=2**28, seconds=10))
        await asyncio.to_thread(retry_until, lambda: note.exists() and note.read_text())
        trial.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trial

    asyncio.run(stop_meanwhile())
    assert not psutil.pid_exists(int(note.read_text()))


def test_process_that_outlives_its_service_ends_itself() -> None:
    """By SIGALRM, whatever it is doing: nobody is left to end it."""
    confined = "from service.catalog.sandbox_process import _confine; _confine(2**28, cpu_seconds=9, seconds=0.2)"
    program = f"{confined}; import time; time.sleep(60)"

    async def run() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
        return await asyncio.wait_for(process.wait(), 30)

    assert asyncio.run(run()) == -signal.SIGALRM


def test_neither_settings_nor_what_is_preloaded_is_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LD_PRELOAD", "")
    program = "import json, os; print(json.dumps({'reason': ' '.join(os.environ), 'why': 'files'}))"
    monkeypatch.setattr("service.catalog.sandbox._command", lambda *_: [sys.executable, "-c", program])
    monkeypatch.setenv("SEQSERVE_STORE", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    outcome = tried(tmp_path)
    assert isinstance(outcome, Rejected)
    assert "SEQSERVE" not in outcome.reason
    assert "SECRET" not in outcome.reason
    assert "LD_PRELOAD" not in outcome.reason
