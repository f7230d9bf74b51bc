"""TASKS: every task by name. A recipe's `task` is looked up here."""

from training.tasks import Task, classify, forecast

TASKS: dict[str, Task] = {"classify": classify, "forecast": forecast}
