"""A peer: a contender that lives in an environment of its own, which the benchmark makes.

Each has a folder here, with `requirements.txt`, pinned to the versions that were tested, and `server.py`, which the
environment's Python runs. `BENCH_PORT`, `BENCH_WORKERS`, `BENCH_BUNDLE` (a folder) and
`BENCH_MODEL` (a name) say what for; `BENCH_SPARE_PORTS` are
four more, for what else it insists on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.contender import Contender, Dialect, Launch
from benchmarks.serving.server import free_port

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Peer:
    """One server of others'."""

    name: str
    package: str
    """In the package index; its pinned version is the one that is measured."""
    folder: str
    """Of `benchmarks/peers`, and of `.venv-peers`."""
    texts: Dialect
    needs: tuple[str, ...] = ()
    """Programs beside Python's."""
    arguments: tuple[str, ...] = ()
    """Of `server.py`; `{port}` and `{workers}` are filled in."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Documented settings that are read from the environment."""

    @property
    def requirements(self) -> Path:
        """What it needs to run, the engine's packages left out: they are the benchmark's own versions."""
        return ROOT / "benchmarks" / "peers" / self.folder / "requirements.txt"

    @property
    def environment(self) -> Path:
        """The folder of its virtual environment."""
        return ROOT / ".venv-peers" / self.folder

    @property
    def version(self) -> str:
        """The pinned one."""
        pins = (line.split("==") for line in self.requirements.read_text("utf-8").splitlines() if "==" in line)
        return next(pin[1].split()[0] for pin in pins if pin[0].split("[")[0] == self.package)

    def contender(self) -> Contender:
        """As the benchmark starts and asks it."""
        return Contender(self.name, self._command, self.texts, environment=self._variables, patience_seconds=60)

    def _command(self, launch: Launch) -> list[str]:
        script = Path("benchmarks") / "peers" / self.folder / "server.py"
        filled = (part.format(port=launch.port, workers=launch.workers) for part in self.arguments)
        return [str(self.environment / "bin" / "python"), str(script), *filled]

    def _variables(self, launch: Launch) -> dict[str, str]:
        return {
            "BENCH_PORT": str(launch.port),
            "BENCH_WORKERS": str(launch.workers),
            "BENCH_BUNDLE": str(launch.bundle),
            "BENCH_MODEL": launch.model,
            "BENCH_SPARE_PORTS": " ".join(str(free_port()) for _ in range(4)),
            "PYTHONPATH": str(ROOT),
            "ORT_DISABLE_TELEMETRY": "1",
            **self.variables,
        }
