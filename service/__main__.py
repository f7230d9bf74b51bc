"""`python -m service` serves; `python -m service healthcheck` asks a running service whether it is ready."""

import argparse
import http.client
import sys

import uvicorn
from pydantic import ValidationError

from service.settings import Settings


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; running requests get `drain_seconds` to finish."""
    uvicorn.run(
        "service.app:from_environment",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_level=settings.log_level,
        timeout_graceful_shutdown=int(settings.drain_seconds),
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


def main(arguments: list[str] | None = None) -> int:
    """Read settings and run the command."""
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "healthcheck"], default="serve")
    command = parser.parse_args(arguments).command
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            print(f"SEQSERVE_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}", file=sys.stderr)
        return 2
    return serve(settings) if command == "serve" else healthcheck(settings)


if __name__ == "__main__":
    sys.exit(main())
