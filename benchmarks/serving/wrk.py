"""Load from wrk: as fast as a number of connections can (`closed`), or at a rate whatever the server does (`opened`).

In an open loop requests come as they come from many people: each of a great number of connections sends, waits for its
answer, and rests for an exponential time. Arrivals are then Poisson, at a rate that a server lowers only as far as its
answers take long beside `REST_SECONDS`; `Load.rate` says which rate came about.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.contender import Request

SCRIPT = Path(__file__).with_name("load.lua")
REST_SECONDS = 0.05
"""Mean rest of a connection in an open loop. The longer, the more connections: with 0.2 wrk took half as much CPU
again, which the servers lacked, since it goes through all that rest in each of its turns."""
TIMEOUT_SECONDS = 60
"""A slow answer is a latency, not an error."""
ERRORS = ("connect", "read", "write", "status", "timeout")


class LoadFailed(RuntimeError):
    """A socket failed, or an answer was an error."""


@dataclass(frozen=True)
class Load:
    """What wrk saw. It counts as error any status from 400 on; the first answers were seen to be 200s before."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    mean_ms: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def closed(port: int, requests: Sequence[Request], connections: int, seconds: float) -> Load:
    """Each connection sends its next request as soon as it has its answer. Raises `LoadFailed`."""
    return _run(port, requests, connections, seconds, think_ms=0)


def opened(port: int, requests: Sequence[Request], rate: float, seconds: float, seed: int = 0) -> Load:
    """So many requests a second. Raises `LoadFailed`."""
    callers = max(16, round(rate * REST_SECONDS))
    return _run(port, requests, callers, seconds, think_ms=callers / rate * 1000, seed=seed)


def _run(
    port: int, requests: Sequence[Request], connections: int, seconds: float, think_ms: float, seed: int = 0
) -> Load:
    return parse(run(SCRIPT, port, requests, connections, seconds, think_ms, seed))


def run(
    script: Path,
    port: int,
    requests: Sequence[Request],
    connections: int,
    seconds: float,
    think_ms: float = 0,
    seed: int = 0,
    timeout_seconds: int = TIMEOUT_SECONDS,
) -> str:
    """What wrk prints with a script that goes through requests as `load.lua` does. Raises `LoadFailed`."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as listed:
        listed.write(lua_table(requests, think_ms, seed))
        listed.flush()
        options = ["-t1", f"-c{connections}", f"-d{seconds:.0f}s", f"--timeout={timeout_seconds}s"]
        command = ["wrk", *options, "-s", str(script), f"http://127.0.0.1:{port}", "--", listed.name]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise LoadFailed(done.stdout + done.stderr)
    return done.stdout


def summary_of(printed: str) -> dict[str, Any]:
    """What the script sums up. Raises `LoadFailed` if it doesn't."""
    found = re.search(r"^SUMMARY (.*)$", printed, re.MULTILINE)
    if found is None:
        raise LoadFailed(printed)
    summary: dict[str, Any] = json.loads(found[1])
    return summary


def parse(printed: str) -> Load:
    """Read what `load.lua` prints. Raises `LoadFailed` if any request failed, or none was answered."""
    summary = summary_of(printed)
    if failed := {kind: summary[kind] for kind in ERRORS if summary[kind]}:
        raise LoadFailed(f"of {summary['requests']} requests failed: {failed}")
    if not summary["requests"]:
        raise LoadFailed("no request was answered")
    p50, p99, most, mean = (summary[key] / 1000 for key in ("p50", "p99", "max", "mean"))
    return Load(summary["requests"], summary["microseconds"] / 1e6, p50, p99, most, mean)


def lua_table(requests: Sequence[Request], think_ms: float, seed: int) -> str:
    """The file that `load.lua` reads."""
    listed = []
    for request in requests:
        headers = ", ".join(f"[{_quoted(name)}] = {_quoted(value)}" for name, value in request.headers.items())
        path, body = _quoted(request.path), _quoted(request.body)
        listed.append(f"{{path = {path}, headers = {{{headers}}}, body = {body}}}")
    rows = ",\n".join(listed)
    return f"return {{think_ms = {think_ms:.3f}, seed = {seed}, requests = {{\n{rows}\n}}}}\n"


def _quoted(text: str | bytes) -> str:
    """As a Lua string; bytes beyond printable ASCII as their numbers."""
    raw = text.encode() if isinstance(text, str) else text
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}" for byte in raw)
    return f'"{"".join(plain)}"'
