"""A catalog on a store, without an application around it."""

import asyncio
import sys
from concurrent.futures import Executor

from service.catalog.catalog import Catalog
from service.catalog.loader import Loader
from service.catalog.sandbox import Sandbox
from service.settings import Settings
from service.tasks.table import TASKS
from service.telemetry.metrics import Metrics


def catalog_of(settings: Settings, executor: Executor, sandbox: Sandbox, started_ns: int = sys.maxsize) -> Catalog:
    """A new one; unless a start is given, what its first reading finds is trusted."""
    metrics = Metrics({name: task.metrics for name, task in TASKS.items()})
    loader = Loader(settings, TASKS, metrics, executor, executor)
    return Catalog(settings, loader, metrics, executor, sandbox, started_ns)


def refresh(catalog: Catalog) -> None:
    """Read the store, and test what is new."""

    async def poll_and_test() -> None:
        await catalog.poll()
        await catalog.test_pending()

    asyncio.run(poll_and_test())
