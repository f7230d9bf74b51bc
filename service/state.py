"""The typed state that the application's lifespan yields and every route reads."""

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypedDict, cast

from fastapi import Request

from service.catalog.catalog import Catalog
from service.server.limits import ConnectionLimits
from service.settings import Settings
from service.telemetry.metrics import Metrics


@dataclass(frozen=True)
class Context:
    """What a route needs, built once at start-up; nothing else is global. Ask for it with `Depends(context)`."""

    settings: Settings
    catalog: Catalog
    encoding: Executor
    """Where long texts are encoded: not where batches are computed, so that they don't hold those up."""
    metrics: Metrics
    connection_limits: ConnectionLimits


class State(TypedDict):
    """What the lifespan yields."""

    context: Context


async def context(request: Request) -> Context:
    """The application's state, typed, as a dependency of a route; a plain function FastAPI would call in a thread."""
    return cast(Context, request.state.context)
