"""The command line: `python -m service` serves; see `--help` for the other commands."""

import argparse
import gc
import http.client
import os
import re
import signal
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from service.access import keys_command
from service.access.keys import KeysUnreadable, read_keys
from service.catalog import store_command
from service.catalog.start_time import set_start_time
from service.engine.memory import COLLECTION_THRESHOLD
from service.server import tls
from service.server.sockets import RESERVED_FILES, raise_open_files
from service.server.supervisor import Supervisor
from service.settings import Settings
from service.telemetry import tracing
from service.telemetry.worker_files import missing_folder, workers_folder


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, then give running requests `drain_seconds` to finish."""
    set_start_time()
    gc.set_threshold(COLLECTION_THRESHOLD)  # what is imported below is no garbage: a tenth of the way to `/readyz`
    raise_open_files(settings.max_connections + RESERVED_FILES)
    with workers_folder(settings.workers):
        if settings.workers > 1:
            return Supervisor(settings).run()
        from service.server.server import Server  # here: the other commands don't need FastAPI and onnxruntime

        # uvicorn raises the signal again once it has shut down; without this the status would be that of a crash.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
        Server(settings).run()
    return 0


def healthcheck(settings: Settings) -> int:
    """Exit status 0 if `/readyz` on this host answers 200, else 1."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::", ""} else settings.host  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=3)
    if settings.tls_cert_file is not None:
        context = ssl.create_default_context()
        context.check_hostname = False  # the certificate is for the name that clients use, not for 127.0.0.1
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, settings.port, timeout=3, context=context)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        fault = None if response.status == 200 else response.read().decode()
    except OSError as error:
        fault = f"not reachable: {error}"
    connection.close()
    return 0 if fault is None else _failed(fault, 1)


def _failed(reason: str, status: int) -> int:
    print(reason, file=sys.stderr)
    return status


def key_file_fault(path: Path | None) -> str | None:
    """Why the key file can't be used; without it the service would refuse everybody."""
    try:
        if path is not None:
            read_keys(path)
    except KeysUnreadable as error:
        return f"SEQSERVE_API_KEYS_FILE: {path} {error}"
    return None


_KUBERNETES_LINK = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP|SCTP)")
"""Variables that Kubernetes sets for a Service of this name."""


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """`SEQSERVE_*` variables that no setting has, such as misspelt ones."""
    prefix = Settings.model_config["env_prefix"]
    known = {f"{prefix}{name}".upper() for name in Settings.model_fields} | {"SEQSERVE_DATA"}  # of training
    ours = [name for name in environment if name.upper().startswith(prefix) and not _KUBERNETES_LINK.search(name)]
    return sorted(name for name in ours if name.upper() not in known)


def command_line() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Serve (the default), inspect the store, change aliases, or manage API keys.",
        epilog="Settings are environment variables such as SEQSERVE_STORE; the README lists them.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    text = "serve until SIGTERM or SIGINT"
    commands.add_parser("serve", help=text, description=text)
    text = "exit with status 0 if the service on this host is ready, else 1"
    commands.add_parser("healthcheck", help=text, description=text)
    store_command.add_to(commands)
    keys_command.add_to(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Read settings and run the command."""
    options = command_line().parse_args(arguments)
    if unknown := unknown_variables(os.environ):
        return _failed(f"{', '.join(unknown)}: no such setting; the README lists them", 2)
    try:
        settings = Settings()
    except SettingsError as error:
        return _failed(f'{error}; a list is JSON, such as ["spam"]', 2)
    except ValidationError as error:
        for fault in error.errors():
            variable = f"SEQSERVE_{'_'.join(map(str, fault['loc'])).upper()}: " if fault["loc"] else ""
            print(f"{variable}{fault['msg']}", file=sys.stderr)
        return 2
    if options.command == "healthcheck":
        return healthcheck(settings)
    if options.command in store_command.COMMANDS:
        return store_command.run(settings, options)
    if options.command == keys_command.COMMAND:
        return keys_command.run(settings.api_keys_file, options)
    reason = tracing.missing() or missing_folder() or tls.certificate_fault(settings)
    reason = reason or key_file_fault(settings.api_keys_file)
    return serve(settings) if reason is None else _failed(reason, 2)


if __name__ == "__main__":
    sys.exit(main())
