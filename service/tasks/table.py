"""TASKS: every task by name. Routes, engines, metrics, documents and the page loop over it."""

from service.tasks.classify import CLASSIFY
from service.tasks.forecast import FORECAST
from service.tasks.task import Task

TASKS: dict[str, Task] = {"classify": CLASSIFY, "forecast": FORECAST}
