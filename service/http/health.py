"""`/livez`: the process answers. `/readyz`: every required model reproduced its golden samples."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from service.errors import NotReady
from service.http.problem import declared
from service.state import Context, context


class Live(BaseModel):
    """The process runs and its event loop isn't blocked."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """Every required model answers."""

    status: Literal["ready"] = "ready"
    models: list[str]
    store_faults: list[str] = Field([], description="what of the store can't be read now; loaded models still answer")


router = APIRouter(tags=["health"])


@router.get("/livez", summary="Is the process alive?")
@router.head("/livez", include_in_schema=False)
async def livez() -> Live:
    """Answers as long as the process runs; restart it when it doesn't."""
    return Live()


@router.get("/readyz", summary="Can it answer?", responses=declared(503))
@router.head("/readyz", include_in_schema=False)
async def readyz(context: Annotated[Context, Depends(context)]) -> Ready:
    """Answers 200 when every required model has reproduced its golden samples; send traffic only then."""
    if context.is_stopping():
        raise NotReady("The service is going down.", retry_after_seconds=1)
    if reasons := context.catalog.unready():
        raise NotReady("; ".join(reasons), retry_after_seconds=1)
    return Ready(models=context.catalog.snapshot.names(), store_faults=context.catalog.store_faults())
