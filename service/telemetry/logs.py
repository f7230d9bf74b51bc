"""Logs: everything the process says, one JSON object a line on standard output."""

import datetime as dt
import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_json


class JSONLines(logging.Formatter):
    """A record as one JSON object: time, level, logger and message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without its end."""
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return to_json(line, fallback=str).decode()


class RequestLog:
    """Writes a line for each request, those of one iteration of the event loop together.

    Through `logging` a line would take an eighth of a short text's whole time (docs/performance.md).
    """

    def __init__(self, level: str) -> None:
        self.is_shown = logging.getLevelNamesMapping()[level.upper()] <= logging.INFO

    def write(self, requests: Iterable[Mapping[str, Any]]) -> None:
        """A line for each."""
        if self.is_shown:
            sys.stdout.write("".join([to_json(fields).decode() + "\n" for fields in requests]))
            sys.stdout.flush()


def config(level: str) -> dict[str, Any]:
    """`logging.config.dictConfig` for the whole process, uvicorn included; its own access log stays off."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "service.telemetry.logs.JSONLines"}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"level": level.upper(), "handlers": ["stdout"]},
        "loggers": {"uvicorn": {"level": level.upper()}, "uvicorn.access": {"level": "WARNING"}},
    }
