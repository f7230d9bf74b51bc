"""The sandbox: a version that isn't trusted has its self-test in a process of its own first, within limits.

onnxruntime and the tokenizer are native code: what crashes, never ends or takes too much takes only that process with
it. `sandbox_process` runs there, a fresh one for each version, as the same user.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from service.catalog.rejected import Rejected

_HERE = Path(__file__).resolve().parents[2]
_KEPT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "ORT_DISABLE_TELEMETRY")
WALL_SECONDS_PER_CPU_SECOND = 3
"""How much longer it may take than what it computes: the disk, and others who use the CPUs."""
_START_SECONDS = 10.0
"""What a process may take until it begins, when the CPUs are busy."""


@dataclass(frozen=True)
class Passed:
    """The version has passed; a bundle of this digest is that version."""

    digest: str


Sandbox = Callable[[Path], Awaitable[Passed | Rejected]]
"""The folder of a version -> what became of it."""


async def test_in_sandbox(folder: Path, *, memory_bytes: int, seconds: float) -> Passed | Rejected:
    """Test a version in a process of its own, within so much CPU time, and memory beyond that of an empty one."""
    try:
        process = await asyncio.create_subprocess_exec(
            *_command(folder, memory_bytes, seconds),
            cwd=_HERE,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        return Rejected(f"no process could be started for its self-test: {error.strerror}", "killed")
    assert process.stdout is not None
    bound = "SEQSERVE_TRIAL_SECONDS is the bound"
    too_long = Rejected(f"its self-test took more than {seconds:g} seconds; {bound}", "time")
    try:
        async with asyncio.timeout(_START_SECONDS + seconds * WALL_SECONDS_PER_CPU_SECOND):
            output = await process.stdout.read()
            status = await process.wait()
    except TimeoutError:  # it hangs where not even SIGALRM reaches it, mostly in a disk that doesn't answer
        return too_long
    finally:
        await _end(process)
    if status in (-signal.SIGXCPU, -signal.SIGALRM):
        return too_long
    if status == -signal.SIGKILL:
        return Rejected("something killed the sandbox, as a system does that is out of memory", "killed")
    try:
        outcome = json.loads(output)
    except ValueError:
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return Rejected(f"it crashed the sandbox ({how})", "crash")
    return Passed(outcome["digest"]) if "digest" in outcome else Rejected(outcome["reason"], outcome["why"])


def _command(folder: Path, memory_bytes: int, seconds: float) -> list[str]:
    bounds = (memory_bytes, seconds, seconds * WALL_SECONDS_PER_CPU_SECOND)
    return [sys.executable, "-m", "service.catalog.sandbox_process", str(folder.absolute()), *map(str, bounds)]


def _environment() -> dict[str, str]:
    """Without settings, which may hold secrets, and preloads, which would count as the model's memory."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("PYTHON")}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await process.wait()
