"""Logs: one JSON object a line, on standard output."""

import datetime as dt
import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_json


class JSONLines(logging.Formatter):
    """A record as one JSON object: time, level, logger and message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without a newline."""
        time = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line = {"time": time, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return to_json(line, fallback=str).decode()


class RequestLog:
    """Writes a line of level info for each request, those of one event loop iteration together.

    Not through `logging`, which takes an eighth of a short text's whole time for a line (docs/performance.md).
    """

    def __init__(self, level: str) -> None:
        self.is_shown = logging.getLevelNamesMapping()[level.upper()] <= logging.INFO

    def write(self, requests: Iterable[Mapping[str, Any]]) -> None:
        """A line for each."""
        if self.is_shown:
            sys.stdout.write("".join([to_json(fields).decode() + "\n" for fields in requests]))
            sys.stdout.flush()


def config(level: str) -> dict[str, Any]:
    """`logging.config.dictConfig` for the whole process; `observer` writes the access log, not uvicorn."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "service.telemetry.logs.JSONLines"}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"level": level.upper(), "handlers": ["stdout"]},
        "loggers": {"uvicorn": {"level": level.upper()}, "uvicorn.access": {"level": "WARNING"}},
    }
