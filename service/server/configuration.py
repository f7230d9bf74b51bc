"""What uvicorn is told, in the workers and in the process that keeps them."""

import math
from typing import Any

import uvicorn

from service.server import tls
from service.server.sockets import BACKLOG
from service.settings import Settings
from service.telemetry import logs


def _tls(settings: Settings) -> dict[str, Any]:
    """uvicorn's settings for it; none where it isn't spoken."""
    if settings.tls_cert_file is None:
        return {}
    return {
        "ssl_certfile": settings.tls_cert_file,
        "ssl_keyfile": settings.tls_key_file,
        "ssl_context_factory": tls.renewing,
    }


def configuration(settings: Settings) -> uvicorn.Config:
    """What uvicorn is told."""
    return uvicorn.Config(
        "service.app:from_environment",
        factory=True,
        host=settings.host,
        port=settings.port,
        http="service.server.protocol:LimitedProtocol",  # by name: who only keeps workers needs none of it
        ws="none",
        backlog=BACKLOG,
        log_config=logs.config(settings.log_level),
        access_log=False,
        proxy_headers=False,  # the application does that, where proxies are named
        **_tls(settings),
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
    )
