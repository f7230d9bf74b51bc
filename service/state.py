"""The typed state that the application's lifespan yields and every route reads."""

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypedDict, cast

from fastapi import Request

from service.catalog import Catalog
from service.settings import Settings


class State(TypedDict):
    """Built once at start-up, passed in; nothing else is global."""

    settings: Settings
    catalog: Catalog
    encoding: Executor


@dataclass(frozen=True)
class Context:
    """What a route needs; ask for it with `Depends(context)`."""

    settings: Settings
    catalog: Catalog
    encoding: Executor
    """Where long texts are encoded: not where batches are computed, so that they don't hold those up."""


def context(request: Request) -> Context:
    """The application's state, typed."""
    state = request.state
    return Context(cast(Settings, state.settings), cast(Catalog, state.catalog), cast(Executor, state.encoding))
