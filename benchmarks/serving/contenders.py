"""The service, and what it is measured against: each answers the same rows, some without a model."""

import os
import sys

from benchmarks.serving.contender import SEQSERVE_SERIES, SEQSERVE_TEXTS, Contender, Launch
from benchmarks.serving.preload import preloaded

SERVICE = "seqserve"
CONSTANT = "uvicorn, constant answer"
NO_MODEL = "FastAPI, no model"
RAW = "raw ASGI by hand, model inline"
INLINE = "FastAPI, model inline"
CHECKOUT = "seqserve, another checkout"
"""Takes part where `BENCH_CHECKOUT` names its folder: an earlier commit, for instance."""
ALONE = "tokeniser and onnxruntime alone"
"""Of this one there is no server: `alone` runs it in process."""


def _service(_launch: Launch) -> list[str]:
    return [sys.executable, "-m", "service"]


def _checkout(_launch: Launch) -> list[str]:
    return ["env", f"--chdir={os.environ['BENCH_CHECKOUT']}", sys.executable, "-m", "service"]


def _settings(launch: Launch) -> dict[str, str]:
    return preloaded() | {
        "SEQSERVE_PORT": str(launch.port),
        "SEQSERVE_WORKERS": str(launch.workers),
        "SEQSERVE_STORE": str(launch.store),
    }


def _bundle(launch: Launch) -> dict[str, str]:
    return {"BENCH_BUNDLE": str(launch.bundle), "ORT_DISABLE_TELEMETRY": "1"}


class _Uvicorn:
    """The command line that serves one application of this folder."""

    def __init__(self, *application: str) -> None:
        self._application = application

    def __call__(self, launch: Launch) -> list[str]:
        uvicorn = [sys.executable, "-m", "uvicorn", "--log-level", "error", "--no-access-log", "--lifespan", "off"]
        return [*uvicorn, "--port", str(launch.port), "--workers", str(launch.workers), *self._application]


CONTENDERS = {
    contender.name: contender
    for contender in (
        *(
            [Contender(CHECKOUT, _checkout, SEQSERVE_TEXTS, SEQSERVE_SERIES, _settings)]
            if "BENCH_CHECKOUT" in os.environ
            else []
        ),
        Contender(SERVICE, _service, SEQSERVE_TEXTS, SEQSERVE_SERIES, _settings),
        Contender(RAW, _Uvicorn("benchmarks.serving.raw_asgi:app"), SEQSERVE_TEXTS, SEQSERVE_SERIES, _bundle),
        Contender(
            INLINE,
            _Uvicorn("--factory", "benchmarks.serving.fastapi_inline:inline"),
            SEQSERVE_TEXTS,
            SEQSERVE_SERIES,
            _bundle,
        ),
        Contender(
            NO_MODEL,
            _Uvicorn("--factory", "benchmarks.serving.fastapi_inline:without_model"),
            SEQSERVE_TEXTS,
            computes=False,
        ),
        Contender(
            CONSTANT,
            _Uvicorn("benchmarks.serving.constant:app"),
            SEQSERVE_TEXTS,
            SEQSERVE_SERIES,
            computes=False,
        ),
    )
}
