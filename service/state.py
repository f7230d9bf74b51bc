"""The typed state that the application's lifespan yields and every route reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict, cast

from fastapi import Request

from service.catalog.catalog import Catalog
from service.predict import Predictor
from service.settings import Settings
from service.tasks.task import Task
from service.telemetry.metrics import Metrics


@dataclass(frozen=True)
class Context:
    """What a route needs, built once at start-up; nothing else is global. Ask for it with `Depends(context)`."""

    settings: Settings
    tasks: Mapping[str, Task]
    catalog: Catalog
    predictor: Predictor
    metrics: Metrics
    is_stopping: Callable[[], bool] = lambda: False


class State(TypedDict):
    """What the lifespan yields."""

    context: Context
    connection_limits: object
    throttle: object
    """For the server's connections: see `server.limits` and `server.protocol`."""


async def context(request: Request) -> Context:
    """The application's state, typed, as a dependency of a route; a plain function FastAPI would call in a thread."""
    return cast(Context, request.state.context)
