"""The application: settings in, ASGI app out. Wiring only; each part has a file of its own."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.access.gate import REFUSED_KINDS, Gate, Scopes, needed_scope
from service.access.key_file import KeyFile
from service.access.usage import Usage
from service.catalog import sandbox as trial
from service.catalog.catalog import Catalog
from service.engine import memory
from service.engine.cpus import available_cpus
from service.http import cors, health, models, openapi, problem
from service.http import headers as security_headers
from service.http.json_route import JSONRoute, JSONRoutes
from service.http.problem import MEANINGS
from service.page import routes as assets
from service.server.limits import ConnectionLimits, RequestThrottle
from service.settings import Settings
from service.state import Context, State
from service.tasks.classify import classify
from service.tasks.forecast import actuals as outcomes
from service.tasks.forecast import forecast
from service.telemetry import exposition, logs, tracing
from service.telemetry.metrics import Metrics
from service.telemetry.observer import Observer

logger = logging.getLogger(__name__)

VERSION = "0.1.0"

DESCRIPTION = """Small sequence models behind a URL: label texts, continue series.

Every error is `application/problem+json` (RFC 9457) and says what to change. `GET /models` lists what is served."""

SCOPES: Scopes = {
    "/livez": None,
    "/readyz": None,
    # These pages are the same everywhere, and a browser that opens one can't send a key; what they request needs one.
    "/": None,
    "/assets/": None,
    "/docs": None,
    "/static-offline-docs/": None,
    "/classify": "predict",
    "/forecast": "predict",
    "/outcomes": "predict",
    "/models": "read",
    "/models/": "read",
    "/metrics": "read",
    "/openapi.json": "read",
}
"""What each path needs where keys are asked for; a path that isn't here is refused."""


@dataclass(frozen=True)
class Application:
    """The service as an ASGI application: `api`, with its shortcut for JSON and its observer around."""

    api: FastAPI
    outermost: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or start and stop."""
        await self.outermost(scope, receive, send)


def create_app(settings: Settings) -> Application:
    """Build the service. Models are loaded once it has started, not here."""
    metrics = Metrics()
    tracer = tracing.from_environment(VERSION)
    keys = usage = None
    if settings.api_keys_file is not None and (usage_folder := settings.usage_of_keys()) is not None:
        usage = Usage(usage_folder, metrics.usage_faults.inc)
        keys = KeyFile(settings.api_keys_file, metrics.keys.set, metrics.keys_fault.set, usage.keep)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        threads = settings.inference_threads or available_cpus()
        with (
            ThreadPoolExecutor(threads, thread_name_prefix="inference") as inference,
            ThreadPoolExecutor(threads, thread_name_prefix="encoding") as encoding,
            ThreadPoolExecutor(1, thread_name_prefix="loading") as loading,
        ):
            proved_aside = functools.partial(
                trial.attempt, memory_bytes=settings.trial_memory_bytes, seconds=settings.trial_seconds
            )
            catalog = Catalog(settings, metrics, inference, loading, proved_aside)
            await catalog.look()
            if keys is not None:
                await keys.poll()
            tasks = [
                *([asyncio.create_task(keys.keep_polling())] if keys is not None else []),
                asyncio.create_task(catalog.watch()),
                asyncio.create_task(exposition.keep_measuring(metrics, catalog)),
                asyncio.create_task(memory.keep_releasing()),
            ]
            try:
                throttle = RequestThrottle(asyncio.get_running_loop())
                limits = ConnectionLimits(settings, throttle, metrics.connections, metrics.connections_dropped)
                yield {"context": Context(settings, catalog, encoding, metrics, limits)}
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                exposition.measure(metrics, catalog)  # other workers may yet be asked for the figures of this one
                if tracer is not None:
                    await asyncio.to_thread(tracer.close)

    api: FastAPI = FastAPIOffline(
        title="seqserve",
        description=DESCRIPTION,
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,  # assets has a page of ours, which keeps to the policy
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
    )
    problem.install(api)
    json_routes = []
    routes: list[BaseRoute] = []
    for part in (classify, forecast, outcomes, models, health, exposition):
        api.include_router(part.router)
        routes += part.router.routes
        for route in part.router.routes:
            if isinstance(route, APIRoute):
                kinds = [meaning.kind for status, meaning in MEANINGS.items() if status in {*route.responses, 500}]
                if keys is not None and needed_scope(SCOPES, route.path) is not None:
                    kinds += REFUSED_KINDS
                metrics.refusable(route.path, kinds)
            if isinstance(route, JSONRoute):
                json_routes.append(route)
    api.include_router(assets.router())
    openapi.install(api, SCOPES if keys is not None else None)
    log = logs.RequestLog(settings.log_level)
    app: ASGIApp = JSONRoutes(api, json_routes)
    if keys is not None and usage is not None:
        app = Gate(app, keys, usage, SCOPES, routes)
    if settings.cors_origins:
        app = cors.CORS(app, settings.cors_origins)
    headers = security_headers.on_every_answer(tls=settings.tls_cert_file is not None)
    app = Observer(app, metrics, log, tracer, headers)
    if settings.trusted_proxies:
        trusted = ProxyHeadersMiddleware(cast(Any, app), list(map(str, settings.trusted_proxies)))
        app = cast(ASGIApp, trusted)  # uvicorn has types of its own for the same
    return Application(api, app)


def from_environment() -> Application:
    """The app with settings from `SEQSERVE_*`, for worker processes that build their own."""
    application = create_app(Settings())
    memory.tune_process()
    logger.info("malloc is %s", "tcmalloc" if memory.IS_TCMALLOC else "the C library's")
    return application
