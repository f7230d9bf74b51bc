"""`python -m service` serves, or does what its command says: see `--help`."""

import argparse
import http.client
import math
import os
import re
import signal
import sys
from collections.abc import Mapping

import uvicorn
from pydantic import ValidationError
from pydantic_settings import SettingsError

from service import arrivals, logs, store_command, tracing
from service.http_protocol import HTTPProtocol
from service.settings import Settings
from service.workers_folder import missing_folder, workers_folder


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; running requests get `drain_seconds` to finish, then the exit status is 0."""
    # uvicorn raises the signal again once it has shut down; without this the status would be that of a crash.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    arrivals.note_start()
    with workers_folder(settings.workers):
        uvicorn.run(
            "service.app:from_environment",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            http=HTTPProtocol,
            log_config=logs.config(settings.log_level),
            access_log=False,
            proxy_headers=False,  # who called, and how, is not asked
            timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
            server_header=False,
        )
    return 0


def healthcheck(settings: Settings) -> int:
    """Exit status 0 if `/readyz` on this host says yes, else 1 with the reason on standard error."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::", ""} else settings.host  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=3)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read().decode()
    except OSError as error:
        print(f"not reachable: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    if response.status != 200:
        print(body, file=sys.stderr)
        return 1
    return 0


_KUBERNETES_LINK = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP|SCTP)")
"""Variables that Kubernetes sets for a Service of this name; they are not ours."""


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """`SEQSERVE_*` variables that set nothing: a misspelt limit must not go unnoticed."""
    prefix = Settings.model_config["env_prefix"]
    known = {f"{prefix}{name}".upper() for name in Settings.model_fields} | {"SEQSERVE_DATA"}  # the last is training's
    return sorted(
        name
        for name in environment
        if name.upper().startswith(prefix) and name.upper() not in known and not _KUBERNETES_LINK.search(name)
    )


def command_line() -> argparse.ArgumentParser:
    """The commands and what they take."""
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Serve, which is what it does without a command; look at the store, or change what an alias means.",
        epilog="Settings are environment variables, SEQSERVE_STORE among them; the README lists them.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, explained in {
        "serve": "serve until SIGTERM or SIGINT",
        "healthcheck": "exit with 0 if the service running here is ready, else with 1",
    }.items():
        commands.add_parser(name, help=explained, description=explained)
    store_command.add_to(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Read settings and run the command."""
    asked = command_line().parse_args(arguments)
    if unknown := unknown_variables(os.environ):
        print(f"{', '.join(unknown)}: no such setting; the README lists them", file=sys.stderr)
        return 2
    try:
        settings = Settings()
    except SettingsError as error:
        print(f'{error}; a list is JSON, such as ["spam"]', file=sys.stderr)
        return 2
    except ValidationError as error:
        for fault in error.errors():
            print(f"SEQSERVE_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}", file=sys.stderr)
        return 2
    if asked.command == "healthcheck":
        return healthcheck(settings)
    if asked.command in store_command.COMMANDS:
        return store_command.run(settings, asked)
    if wrong := tracing.missing() or missing_folder():
        print(wrong, file=sys.stderr)
        return 2
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
