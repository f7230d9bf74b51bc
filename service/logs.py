"""Logs: everything the process says, one JSON object a line on standard output."""

import asyncio
import datetime as dt
import logging
import sys
from collections.abc import Mapping
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
    """Writes a line for each request; those of one turn of the event loop go out together, when it ends.

    Not through `logging`: there a line takes an eighth of a short text's whole time (docs/performance.md). It looks the
    same, and `level` counts as for any other.

    Args:
        level: least severe one that is shown; the lines are of level info.
    """

    def __init__(self, level: str) -> None:
        self._shown = logging.getLevelNamesMapping()[level.upper()] <= logging.INFO
        self._lines: list[bytes] = []

    def write(self, fields: Mapping[str, Any]) -> None:
        """Note one request. Needs a running event loop."""
        if not self._shown:
            return
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        line = {
            "time": dt.datetime.now(dt.UTC),
            "level": "INFO",
            "logger": "seqserve.request",
            "message": "request",
            **fields,
        }
        self._lines.append(to_json(line))

    def flush(self) -> None:
        """Hand over what is noted."""
        lines, self._lines = self._lines, []
        if lines:
            sys.stdout.write(b"\n".join([*lines, b""]).decode())
            sys.stdout.flush()


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
