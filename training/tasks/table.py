"""TASKS: every task by name. A recipe's `task` is looked up here."""

from training.tasks import Task, classify, forecast, global_forecast

TASKS: dict[str, Task] = {"classify": classify, "forecast": forecast, "global_forecast": global_forecast}
