"""Logs: everything the process says, one JSON object a line on standard output."""

import datetime as dt
import logging
from typing import Any

from pydantic_core import to_json


class JSONLines(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, and the mapping `fields` where `extra` brings one.

    Written with pydantic's serialiser: a line is written for each request, and in the packages made for it that takes a
    tenth of a short text's whole time (docs/performance.md).
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line, without its end."""
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return to_json(line, fallback=str).decode()


def skip_unshown() -> None:
    """Tell logging not to find out for each record what no line shows (its HOWTO, "Optimization"): half of its time."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # who called


def config(level: str) -> dict[str, Any]:
    """`logging.config.dictConfig` for the whole process, uvicorn included.

    uvicorn's own access log stays off: `observer` writes a line a request.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "service.logs.JSONLines"}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"level": level.upper(), "handlers": ["stdout"]},
        "loggers": {
            "uvicorn": {"level": level.upper()},
            "uvicorn.access": {"level": "WARNING"},
        },
    }
