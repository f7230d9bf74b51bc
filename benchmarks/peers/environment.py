"""A peer's virtual environment: made once, and again when what it should hold changes."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.peer import Peer

ENGINE = ("onnxruntime", "tokenizers")
"""What every peer computes with: in the versions that the service has here."""


class Unavailable(RuntimeError):
    """A peer that can't be had here; the message says why."""


def make(peer: Peer) -> None:
    """Have the peer's environment as its requirements say. Raises `Unavailable`."""
    if missing := [program for program in peer.needs if shutil.which(program) is None]:
        raise Unavailable(f"needs {', '.join(missing)}")
    wanted = wants(peer)
    made = peer.environment / "made-from.txt"
    if made.exists() and made.read_text("utf-8") == wanted:
        return
    shutil.rmtree(peer.environment, ignore_errors=True)
    print(f"making {peer.environment.name}'s environment", flush=True)
    _run("venv", [sys.executable, "-m", "venv", str(peer.environment)])
    python = peer.environment / "bin" / "python"
    asked = peer.environment / "requirements.txt"
    asked.write_text(wanted, "utf-8")
    _run("pip", [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(asked)])
    made.write_text(wanted, "utf-8")


def wants(peer: Peer) -> str:
    """Its requirements and the engine's."""
    return peer.requirements.read_text("utf-8") + "".join(f"{name}=={version(name)}\n" for name in ENGINE)


def reason(printed: str) -> str:
    """The first error of what pip printed, or the last line if there is none."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()] or ["said nothing"]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return next((line for line in errors if "different python version" not in line), lines[-1])[:300]


def _run(what: str, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path.home())
    if done.returncode:
        raise Unavailable(f"{what}: {reason(done.stdout + done.stderr)}")
