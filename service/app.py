"""The application: settings in, FastAPI app out. Wiring only; each part has a file of its own."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.access.gate import REFUSED_KINDS, Gate, needed_scope
from service.access.key_file import KeyFile
from service.access.keys import Scope
from service.access.usage import Usage
from service.catalog import sandbox
from service.catalog.catalog import Catalog
from service.catalog.loader import Loader
from service.catalog.start_time import start_time_ns
from service.engine import memory
from service.engine.cpus import available_cpus
from service.http import health, metrics, models, openapi, problem
from service.http.cors import CORS
from service.http.headers import on_every_response
from service.http.observer import Observer
from service.http.problem import BY_STATUS
from service.page import routes as page
from service.predict import Predictor
from service.server.limits import ConnectionLimits
from service.server.protocol import RequestThrottle
from service.settings import Settings
from service.state import Context, State
from service.tasks.table import TASKS
from service.telemetry import tracing
from service.telemetry.logs import RequestLog
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

VERSION = "0.1.0"

DESCRIPTION = """Small sequence models behind a URL: classify texts, forecast series.

Every error is `application/problem+json` (RFC 9457) and says what to change. `GET /models` lists what is served."""

SCOPES: dict[str, Scope | None] = {
    # A browser that opens a page can't send a key; the requests of the page need one.
    **dict.fromkeys(("/livez", "/readyz", "/", "/assets/", "/docs", "/static-offline-docs/")),
    **dict.fromkeys(("/models", "/models/", "/metrics", "/openapi.json"), "read"),
}
"""Scope that a key needs, by path; None: no key. A path that ends in a slash stands for all below it."""


def create_app(settings: Settings) -> FastAPI:
    """Build the service. Models are loaded once it has started, not here."""
    tasks = dict(TASKS)
    task_routes = [route for task in tasks.values() for route in task.routes()]
    routes: list[BaseRoute] = [*task_routes, *health.router.routes, *models.list_route(tasks).routes]
    routes += [*models.router.routes, *metrics.router.routes, *page.router(tasks).routes]
    scopes = SCOPES | dict.fromkeys((route.path.partition("{")[0] for route in task_routes), "predict")

    instruments = Metrics({name: task.metrics for name, task in tasks.items()})
    tracer = tracing.from_environment(VERSION)
    headers = on_every_response(tls=settings.tls_cert_file is not None)
    log = RequestLog(settings.log_level)
    middleware = []
    if settings.trusted_proxies:
        middleware.append(Middleware(ProxyHeadersMiddleware, trusted_hosts=list(map(str, settings.trusted_proxies))))
    middleware.append(Middleware(Observer, metrics=instruments, log=log, tracer=tracer, headers=headers))
    if settings.cors_origins:
        middleware.append(Middleware(CORS, origins=settings.cors_origins))
    keys = None
    if (path := settings.api_keys_file) is not None:
        usage = Usage(settings.usage_folder or path.with_name(f"{path.name}.usage"), instruments.usage_faults.inc)
        keys = KeyFile(path, instruments.keys.set, instruments.keys_fault.set, usage.keep)
        middleware.append(Middleware(Gate, keys=keys, usage=usage, scopes=scopes, routes=routes))

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        threads = settings.inference_threads or available_cpus()
        with (
            ThreadPoolExecutor(threads, thread_name_prefix="inference") as inference,
            ThreadPoolExecutor(threads, thread_name_prefix="encoding") as encoding,
            ThreadPoolExecutor(1, thread_name_prefix="loading") as loading,
        ):
            sandboxed = functools.partial(
                sandbox.test_in_sandbox, memory_bytes=settings.trial_memory_bytes, seconds=settings.trial_seconds
            )
            loader = Loader(settings, tasks, instruments, inference, encoding)
            catalog = Catalog(settings, loader, instruments, loading, sandboxed, start_time_ns())
            await catalog.poll()
            if keys is not None:
                await keys.poll()
            work = [catalog.watch(), metrics.keep_measuring(instruments, catalog), memory.keep_releasing()]
            background = [asyncio.create_task(each) for each in work + ([keys.keep_polling()] if keys else [])]
            try:
                predictor = Predictor(tasks, catalog, settings)
                limits = ConnectionLimits(settings, instruments.connections, instruments.connections_dropped)
                context = Context(settings, tasks, catalog, predictor, instruments, lambda: limits.stopping)
                throttle = RequestThrottle(asyncio.get_running_loop())
                yield {"context": context, "connection_limits": limits, "throttle": throttle}
            finally:
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                metrics.measure(instruments, catalog)  # other workers may yet be scraped for those of this one
                if tracer is not None:
                    await asyncio.to_thread(tracer.close)

    api: FastAPI = FastAPIOffline(
        title="seqserve",
        description=DESCRIPTION,
        version=VERSION,
        lifespan=lifespan,
        middleware=middleware,
        docs_url=None,  # `page` has one that keeps to the policy
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},  # ours: telemetry/
    )
    problem.install(api)
    api.router.routes[:0] = routes  # flat: a router within the router takes longer to find its way
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            kinds = [kind.name for status, kind in BY_STATUS.items() if status in {*route.responses, 500}]
            if keys is not None and needed_scope(scopes, route.path):
                kinds += REFUSED_KINDS
            instruments.declare_problems(route.path, kinds)
            route.unique_id = route.name  # what a generated client calls it
    examples = [task.examples for task in tasks.values()]
    openapi.install(api, settings, examples, None if keys is None else functools.partial(needed_scope, scopes))
    return api


def from_environment() -> FastAPI:
    """The app with settings from `SEQSERVE_*`, for worker processes that build their own."""
    app = create_app(Settings())
    memory.tune_process()
    logger.info("malloc is %s", "tcmalloc" if memory.IS_TCMALLOC else "the C library's")
    return app
