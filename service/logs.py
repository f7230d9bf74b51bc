"""Logs: everything the process says, one JSON object a line on standard output."""

from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS


def config(level: str) -> dict[str, Any]:
    """`logging.config.dictConfig` for the whole process, uvicorn included.

    uvicorn's own access log stays off: `observer` writes a line a request.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": ["levelname", "name", "message"],
                "rename_fields": {"levelname": "level", "name": "logger"},
                "timestamp": "time",
                "reserved_attrs": [*RESERVED_ATTRS, "color_message"],  # the second is uvicorn's, for terminals
            }
        },
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"level": level.upper(), "handlers": ["stdout"]},
        "loggers": {
            "uvicorn": {"level": level.upper()},
            "uvicorn.access": {"level": "WARNING"},
        },
    }
