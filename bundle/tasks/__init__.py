"""TASKS: every task by name. `spec.task` of a manifest is looked up here."""

from bundle.tasks.classify import CLASSIFY
from bundle.tasks.forecast import FORECAST
from bundle.tasks.task import Task

TASKS: dict[str, Task] = {"classify": CLASSIFY, "forecast": FORECAST}
