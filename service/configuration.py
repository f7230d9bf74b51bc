"""What uvicorn is told, in the workers and in the process that keeps them."""

import math

import uvicorn

from service import logs
from service.listener import BACKLOG
from service.settings import Settings


def configuration(settings: Settings) -> uvicorn.Config:
    """What uvicorn is told."""
    return uvicorn.Config(
        "service.app:from_environment",
        factory=True,
        host=settings.host,
        port=settings.port,
        http="service.guarded_protocol:GuardedProtocol",  # by name: who only keeps workers needs none of it
        ws="none",
        backlog=BACKLOG,
        log_config=logs.config(settings.log_level),
        access_log=False,
        proxy_headers=False,  # who called, and how, is not asked
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
    )
