"""The application: settings in, ASGI app out. Wiring only; each part has a file of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from service import assets, classify, exposition, forecast, health, models, openapi, outcomes, problem, tracing
from service.catalog import Catalog
from service.cpus import available_cpus
from service.metrics import Metrics
from service.observer import Observer
from service.problem import MEANINGS
from service.settings import Settings
from service.state import Context, State

VERSION = "0.1.0"

DESCRIPTION = """Small sequence models behind a URL: label texts, continue series.

Every error is `application/problem+json` (RFC 9457) and says what to change. `GET /models` lists what is served."""


def create_app(settings: Settings) -> FastAPI:
    """Build the service. Models are loaded when it starts, not here."""
    metrics = Metrics()
    tracer = tracing.from_environment(VERSION)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        threads = settings.inference_threads or available_cpus()
        with (
            ThreadPoolExecutor(threads, thread_name_prefix="inference") as inference,
            ThreadPoolExecutor(threads, thread_name_prefix="encoding") as encoding,
        ):
            catalog = Catalog(settings, inference, metrics)
            await asyncio.to_thread(catalog.refresh)
            tasks = [
                asyncio.create_task(catalog.watch()),
                asyncio.create_task(exposition.keep_measuring(metrics, catalog)),
            ]
            try:
                yield {"context": Context(settings, catalog, encoding, metrics)}
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                if tracer is not None:
                    await asyncio.to_thread(tracer.close)

    app: FastAPI = FastAPIOffline(
        title="seqserve",
        description=DESCRIPTION,
        version=VERSION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
    )
    problem.install(app)
    for part in (classify, forecast, outcomes, models, health, exposition):
        app.include_router(part.router)
        for route in part.router.routes:
            if isinstance(route, APIRoute):
                kinds = (meaning.kind for status, meaning in MEANINGS.items() if status in {*route.responses, 500})
                metrics.refusable(route.path, kinds)
    app.include_router(assets.router())
    openapi.install(app)
    build = app.build_middleware_stack
    # Around Starlette's own error handling, so that a defect's answer is seen as well.
    app.build_middleware_stack = lambda: Observer(build(), metrics, tracer)  # type: ignore[method-assign]
    return app


def from_environment() -> FastAPI:
    """The app with settings from `SEQSERVE_*`, for worker processes that build their own."""
    return create_app(Settings())
