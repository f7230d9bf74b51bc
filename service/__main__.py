"""`python -m service` serves, or does what its command says: see `--help`."""

import argparse
import http.client
import os
import re
import signal
import ssl
import sys
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_settings import SettingsError

from service.access import keys_command
from service.access.keys import KeysUnreadable, read_keys
from service.catalog import store_command
from service.server import start_time as arrivals
from service.server import tls
from service.server.sockets import KEPT_FILES, raise_open_files
from service.server.supervisor import Supervisor
from service.settings import Settings
from service.telemetry import tracing
from service.telemetry.worker_files import missing_folder, workers_folder


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; running requests get `drain_seconds` to finish, then the exit status is 0."""
    arrivals.note_start()
    raise_open_files(settings.max_connections + KEPT_FILES)
    with workers_folder(settings.workers):
        if settings.workers > 1:
            return Supervisor(settings).run()
        from service.server.server import (
            Server,  # not above: all that serving needs would be imported to ask for health
        )

        # uvicorn raises the signal again once it has shut down; without this the status would be that of a crash.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
        Server(settings).run()
    return 0


def healthcheck(settings: Settings) -> int:
    """Exit status 0 if `/readyz` on this host says yes, else 1 with the reason on standard error."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::", ""} else settings.host  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=3)
    if settings.tls_cert_file is not None:
        context = ssl.create_default_context()
        context.check_hostname = False  # the certificate is made out for the name that callers use,
        context.verify_mode = ssl.CERT_NONE  # not for the address of this host, which is all that is asked
        connection = http.client.HTTPSConnection(host, settings.port, timeout=3, context=context)
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


def unreadable_keys(settings: Settings) -> str | None:
    """What is wrong with the file of keys; None if nothing: a service that would refuse everybody shouldn't start."""
    if settings.api_keys_file is None:
        return None
    try:
        read_keys(settings.api_keys_file)
    except KeysUnreadable as error:
        return f"SEQSERVE_API_KEYS_FILE: {settings.api_keys_file} {error}"
    return None


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
    keys_command.add_to(commands)
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
            named = f"SEQSERVE_{'_'.join(map(str, fault['loc'])).upper()}: " if fault["loc"] else ""
            print(f"{named}{fault['msg']}", file=sys.stderr)
        return 2
    if asked.command == "healthcheck":
        return healthcheck(settings)
    if asked.command in store_command.COMMANDS:
        return store_command.run(settings, asked)
    if asked.command == keys_command.COMMAND:
        return keys_command.run(settings.api_keys_file, asked)
    if wrong := tracing.missing() or missing_folder() or tls.unusable(settings) or unreadable_keys(settings):
        print(wrong, file=sys.stderr)
        return 2
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
