"""uvicorn's configuration, for workers and for the supervisor that opens their port."""

import importlib.util
import math
from typing import Any

import uvicorn

from service.server import tls
from service.server.sockets import BACKLOG
from service.settings import Settings
from service.telemetry import logs


def configuration(settings: Settings) -> uvicorn.Config:
    """What uvicorn needs to know."""
    with_tls: dict[str, Any] = {
        "ssl_certfile": settings.tls_cert_file,
        "ssl_keyfile": settings.tls_key_file,
        "ssl_context_factory": tls.renewing_context,
    }
    return uvicorn.Config(
        "service.app:from_environment",
        factory=True,
        host=settings.host,
        port=settings.port,
        http="service.server.protocol:LimitedProtocol",  # by name: the supervisor doesn't import it
        ws="websockets-sansio" if importlib.util.find_spec("websockets") else "none",
        ws_max_size=settings.max_body_bytes,
        backlog=BACKLOG,
        log_config=logs.config(settings.log_level),
        access_log=False,
        proxy_headers=False,  # the application does that, where proxies are named
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        **(with_tls if settings.tls_cert_file is not None else {}),
    )
